{#- The nine stages in the order of a candidate's life; a test compares them with the code. -#}
{% macro stages() %}
{{ return([
    'research_intake', 'candidate_build', 'backtest_robustness', 'gate_policy_evaluation',
    'shadow_paper_deployment', 'live_ramp_stage_1', 'live_ramp_stage_2_plus',
    'continuous_monitoring', 'rollback_incident',
]) }}
{% endmacro %}
