{{ config(meta={'dagster': {'ref': {'name': 'promotion_funnel'}}}) }}
select *
from (
    select sum(decisions) as counted, sum(passed + failed + missing + inconclusive + superseded) as parts,
        sum(candidates_standing) as standing
    from {{ ref('promotion_funnel') }}
)
where counted <> (select count(*) from {{ ref('stg_stage_receipts') }})
    or parts <> counted
    or standing <> (select count(distinct candidate_id) from {{ ref('stg_stage_receipts') }})
