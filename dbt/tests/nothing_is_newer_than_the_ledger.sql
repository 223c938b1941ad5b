{{ config(meta={'dagster': {'ref': {'name': 'stg_ledger_head'}}}) }}
select made.digest, made.ledger_sequence
from {{ ref('stg_records') }} as made
cross join {{ ref('stg_ledger_head') }} as head
where made.ledger_sequence > head.ledger_sequence or made.recorded_at > head.recorded_at
