{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'stg_stage_receipts'}}}) }}
-- An entry that no statement names yet is proved by its register alone, until the next statement.
select 'receipts' as register, digest from {{ ref('stg_stage_receipts') }} where ledger_sequence is null
union all
select 'trials', digest from {{ ref('stg_trial_tickets') }} where ledger_sequence is null
union all
select 'orders', digest from {{ ref('stg_orders') }} where ledger_sequence is null
union all
select 'orders', digest from {{ ref('stg_fills') }} where ledger_sequence is null
