{{ config(meta={'dagster': {'ref': {'name': 'order_lineage'}}}) }}
-- The program resolved each chain by reading the records; the joins must find the same evidence.
select order_key, fill_id
from {{ ref('order_lineage') }}
where chain_resolves and (
    strategy_build_digest is null
    or candidate_spec_digest is null
    or gate_report_digest is null
    or gate_verdict <> 'pass'
    or approval_receipt_digest is null
    or trial_ticket_sequence is null
    or overfit_diagnostics_digest is null
    or dataset_snapshot_digest is null
    or (purpose = 'rebalance' and (paper_fills_digest is null or paper_tca_digest is null))
    or (purpose = 'flatten' and rollback_receipt_digest is null)
)
