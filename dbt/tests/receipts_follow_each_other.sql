{{ config(meta={'dagster': {'ref': {'name': 'stg_stage_receipts'}}}) }}
-- A candidate's decision begins where the one before it led.
select candidate_id, sequence, stage, led_to
from (
    select
        *,
        lag(to_stage, 1, 'research_intake') over (
            partition by candidate_id order by sequence
        ) as led_to
    from {{ ref('stg_stage_receipts') }}
)
where stage <> led_to
