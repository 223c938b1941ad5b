select
    asset,
    gate_id,
    measurement,
    reason_code,
    reason_class,
    verdict,
    is_required_for_verdict,
    count(*) as failures,
    count(distinct candidate_id) as candidates,
    list(distinct candidate_id order by candidate_id) as candidate_ids,
    min(margin) as worst_margin,
    any_value(unit) as unit,
    arg_max(reason, (ledger_sequence, position)) as last_reason,
    list(distinct digest order by digest) as digests,
    arg_max(digest, (ledger_sequence, position)) as digest,
    max(ledger_sequence) as ledger_sequence
from {{ ref('stg_gate_limits') }}
where is_current and verdict <> 'pass'
group by
    asset, gate_id, measurement, reason_code, reason_class, verdict, is_required_for_verdict
order by failures desc, gate_id, measurement, reason_code
