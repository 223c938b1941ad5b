with reasons as (
    select
        digest,
        list(distinct reason_code order by reason_code) as reason_codes,
        string_agg(reason, '; ' order by position) as reasons
    from {{ ref('stg_gate_limits') }}
    where asset = 'gate_report' and verdict <> 'pass' and is_required_for_verdict
    group by digest
),

standing as (
    select candidate_id, arg_max(to_stage, sequence) as stands_at
    from {{ ref('stg_stage_receipts') }}
    group by candidate_id
),

traded as (
    select
        candidate_id,
        count(*) as sessions,
        product(1 + net_return_fraction) - 1 as paper_return_fraction
    from {{ ref('stg_sessions') }}
    where is_current
    group by candidate_id
),

drifted as (
    select candidate_id, arg_max(report_level, (session, severity)) as last_drift_level
    from {{ ref('stg_drift_readings') }}
    where is_current
    group by candidate_id
),

rolled_back as (
    select candidate_id, count(*) as rollbacks
    from {{ ref('stg_rollbacks') }}
    where is_current
    group by candidate_id
),

approved as (
    select candidate_id, count(*) as approvals
    from {{ ref('stg_approvals') }}
    group by candidate_id
)

select
    backtest.candidate_id,
    backtest.snapshot_id,
    candidate.title,
    candidate.author,
    candidate.strategy_type,
    candidate.strategy_version,
    report.verdict,
    report.beyond_paper_verdict,
    report.limits,
    report.failed_limits,
    coalesce(reasons.reason_codes, []) as reason_codes,
    reasons.reasons,
    backtest.sharpe_annual,
    backtest.annual_return_fraction,
    backtest.max_drawdown_fraction,
    backtest.turnover_annual,
    overfit.trials_raw,
    overfit.dsr,
    overfit.pbo,
    standing.stands_at,
    coalesce(traded.sessions, 0) as sessions,
    traded.paper_return_fraction,
    drifted.last_drift_level,
    coalesce(rolled_back.rollbacks, 0) as rollbacks,
    coalesce(approved.approvals, 0) as approvals,
    report.digest,
    report.ledger_sequence,
    backtest.digest as backtest_metrics_digest,
    overfit.digest as overfit_diagnostics_digest,
    candidate.digest as candidate_spec_digest
from {{ ref('stg_backtests') }} as backtest
left join {{ ref('stg_candidates') }} as candidate on backtest.spec_digest = candidate.digest
left join {{ ref('stg_overfit_statistics') }} as overfit
    on backtest.digest = overfit.backtest_digest and overfit.is_current
left join {{ ref('stg_gate_reports') }} as report
    on backtest.candidate_id = report.candidate_id
    and backtest.snapshot_id = report.snapshot_id
    and report.asset = 'gate_report'
    and report.is_current
left join reasons on report.digest = reasons.digest
left join standing on backtest.candidate_id = standing.candidate_id
left join traded on backtest.candidate_id = traded.candidate_id
left join drifted on backtest.candidate_id = drifted.candidate_id
left join rolled_back on backtest.candidate_id = rolled_back.candidate_id
left join approved on backtest.candidate_id = approved.candidate_id
where backtest.is_current
order by backtest.candidate_id, backtest.snapshot_id
