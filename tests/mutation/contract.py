"""What the specification of the pipeline says, written down a second time, by hand.

The validator proves that the file keeps its rules and agrees with the graph. It cannot know
which words a contract must hold or how many refusals are too many: this table does.
"""

INPUTS = {
    "research_intake": "thesis universe feature_hypotheses prior_run_evidence",
    "candidate_build": "candidate_spec strategy_sdk_contract",
    "backtest_robustness": "candidate_spec plugin_and_config dataset_snapshot cost_model_version "
    "risk_limits evaluation_settings trial_policy",
    "gate_policy_evaluation": "candidate_spec plugin_and_config dataset_snapshot "
    "cost_model_version risk_limits evaluation_settings trial_policy target_weights "
    "walk_forward_metrics stress_metrics overfit_diagnostics reproducibility_artifacts "
    "threshold_config",
    "shadow_paper_deployment": "approved_candidate deployment_config risk_budgets "
    "paper_gate_limits expected_costs risk_limits regime_settings",
    "live_ramp_stage_1": "approved_configuration paper_stability_evidence live_ramp_policy "
    "paper_order_limits",
    "live_ramp_stage_2_plus": "approved_configuration stage_1_evidence paper_stability_evidence "
    "live_ramp_policy paper_order_limits",
    "continuous_monitoring": "deployed_notional approved_configuration intents "
    "live_performance transaction_costs drift_limits risk_limits",
    "rollback_incident": "incident_triggers paper_gate deployment prior_configuration "
    "broker_settings rollback_policy",
}
OUTPUTS = {
    "research_intake": "candidate_spec rationale expected_regime_behaviour",
    "candidate_build": "plugin_code config_entry unit_tests parameter_schema strategy_build",
    "backtest_robustness": "target_weights walk_forward_metrics stress_metrics "
    "overfit_diagnostics reproducibility_artifacts",
    "gate_policy_evaluation": "decision machine_readable_report research_feedback",
    "shadow_paper_deployment": "deployment intents orders shadow_and_paper_performance "
    "transaction_cost_analysis paper_gate drift_diagnostics",
    "live_ramp_stage_1": "staged_notional_changes compliance_evidence",
    "live_ramp_stage_2_plus": "staged_notional_changes compliance_evidence",
    "continuous_monitoring": "incident_triggers",
    "rollback_incident": "plan receipt incident",
}
EVERYTHING = ("thesis", "market_data", "settings")
BEFORE_ORDERS = (*EVERYTHING, "trading_settings")
CHECKPOINTS = {  # condition, at, sources, assets, stages
    "data_schema_validation": (
        "snapshot_has_no_errors", "dataset_snapshot", ("market_data",), ("gate_report",), (),
    ),
    "risk_guardrail": (
        "risk_guardrails_passed", "order_intents", BEFORE_ORDERS, ("paper_orders",), (),
    ),
    "idempotency_hash": (
        "idempotency_keys_are_new", "order_intents", BEFORE_ORDERS, ("paper_orders",), (),
    ),
    "promotion_gate": (
        "gate_passed", "gate_report", EVERYTHING, ("paper_deployment",),
        ("shadow_paper_deployment", "live_ramp_stage_1", "live_ramp_stage_2_plus",
         "continuous_monitoring"),
    ),
}  # fmt: skip
SHOWN_AS = {
    "data_schema_validation": "dataset_snapshot:data_schema_validation",
    "risk_guardrail": "order_intents:risk_guardrails",
    "idempotency_hash": "order_intents:idempotency_keys",
    "promotion_gate": "gate_report:gate_decision",
}
HOLDERS = {
    "data_schema_validation": {"backtest_robustness", "gate_policy_evaluation"},
    "risk_guardrail": {"shadow_paper_deployment"},
    "idempotency_hash": {"shadow_paper_deployment"},
    "promotion_gate": {
        "shadow_paper_deployment",
        "live_ramp_stage_1",
        "live_ramp_stage_2_plus",
        "continuous_monitoring",
    },
}
NOT_ACTIVE = set()
FEEDS_BACK = {
    "gate_policy_evaluation": ("research_feedback",),
    "rollback_incident": ("incident_report",),
}
FREEZE = ("gate_policy_evaluation", 3)


def differences(pipeline):
    """Yield every way in which a pipeline differs from the specification."""
    for side, wanted in (("inputs", INPUTS), ("outputs", OUTPUTS)):
        for stage in pipeline.stages:
            found = " ".join(term.term for term in getattr(stage, side))
            if found != wanted[stage.name]:
                yield f"{side} of {stage.name}"
    for checkpoint in pipeline.checkpoints:
        c = checkpoint
        if (c.condition, c.at, c.sources, c.assets, c.stages) != CHECKPOINTS.get(c.name):
            yield f"checkpoint {c.name}"
        if c.asset_check != SHOWN_AS.get(c.name):
            yield f"the check that shows {c.name}"
    if {c.name for c in pipeline.checkpoints} != set(CHECKPOINTS):
        yield "the set of checkpoints"
    for name, wanted in HOLDERS.items():
        if {s.name for s in pipeline.stages if name in s.checkpoints} != wanted:
            yield f"who has the checkpoint {name}"
    if {s.name for s in pipeline.stages if not s.active} != NOT_ACTIVE:
        yield "which stages are active"
    for stage in pipeline.stages:
        wanted_back = FEEDS_BACK.get(stage.name, ())
        if stage.feeds_back != wanted_back:
            yield f"what {stage.name} feeds back"
    if (pipeline.freeze.stage, pipeline.freeze.after_refusals) != FREEZE:
        yield "when a line is frozen"
