with taken_up as (
    -- the receipt that let the candidate pass the gate by looking at a report
    select looked_at.evidence_digest as gate_report_digest, min(receipt.sequence) as sequence
    from {{ ref('stg_stage_receipts') }} as receipt
    inner join {{ ref('stg_receipt_evidence') }} as looked_at
        on receipt.sequence = looked_at.sequence and looked_at.asset = 'gate_report'
    where receipt.stage = 'gate_policy_evaluation' and receipt.outcome = 'pass'
    group by looked_at.evidence_digest
),

tried as (
    select result_digest, min(sequence) as sequence
    from {{ ref('stg_trial_tickets') }}
    where status = 'finished'
    group by result_digest
),

taken_back as (
    select order_key, arg_max(digest, ledger_sequence) as rollback_receipt_digest
    from {{ ref('stg_rollback_orders') }}
    where purpose = 'flatten'
    group by order_key
)

select
    placed.order_key,
    fill.fill_id,
    placed.candidate_id,
    placed.session,
    placed.purpose,
    placed.symbol,
    placed.side,
    placed.quantity as ordered_shares,
    placed.status,
    fill.quantity as filled_shares,
    fill.price_usd,
    fill.filled_at,
    placed.chain_resolves,
    placed.chain_is_removed,
    placed.broken_link,
    placed.broken_because,
    fill.digest as fill_digest,
    fill.ledger_sequence as fill_ledger_sequence,
    case when placed.purpose = 'rebalance' then traded.digest end as paper_fills_digest,
    case when placed.purpose = 'rebalance' then traded.orders_digest end as paper_orders_digest,
    case when placed.purpose = 'rebalance' then traded.intents_digest end as order_intents_digest,
    cost.digest as paper_tca_digest,
    taken_back.rollback_receipt_digest,
    deployment.digest as paper_deployment_digest,
    specification.title as strategy_title,
    specification.digest as candidate_spec_digest,
    build.digest as strategy_build_digest,
    build.strategy_code_digest,
    report.digest as gate_report_digest,
    report.verdict as gate_verdict,
    receipt.sequence as approval_receipt_sequence,
    receipt.digest as approval_receipt_digest,
    receipt.actor as approval_actor,
    counted.trials_raw,
    counted.digest as overfit_diagnostics_digest,
    ticket.sequence as trial_ticket_sequence,
    report.dataset_snapshot_digest,
    placed.digest,
    placed.ledger_sequence
from {{ ref('stg_orders') }} as placed
left join {{ ref('stg_fills') }} as fill on placed.order_key = fill.order_key
left join {{ ref('stg_sessions') }} as traded
    on placed.candidate_id = traded.candidate_id
    and placed.session = traded.session
    and traded.is_current
left join {{ ref('stg_order_costs') }} as cost
    on placed.order_key = cost.order_key and cost.is_current
left join taken_back on placed.order_key = taken_back.order_key
left join {{ ref('stg_deployments') }} as deployment on placed.deployment_digest = deployment.digest
left join {{ ref('stg_candidates') }} as specification
    on deployment.candidate_spec_digest = specification.digest
left join {{ ref('stg_strategy_builds') }} as build
    on deployment.strategy_build_digest = build.digest
left join {{ ref('stg_gate_reports') }} as report
    on deployment.gate_report_digest = report.digest
left join taken_up on report.digest = taken_up.gate_report_digest
left join {{ ref('stg_stage_receipts') }} as receipt on taken_up.sequence = receipt.sequence
left join {{ ref('stg_overfit_statistics') }} as counted
    on report.overfit_diagnostics_digest = counted.digest
left join tried on deployment.backtest_metrics_digest = tried.result_digest
left join {{ ref('stg_trial_tickets') }} as ticket on tried.sequence = ticket.sequence
order by placed.session, placed.candidate_id, placed.symbol, placed.order_key, fill.fill_id
