{{ config(meta={'dagster': {'ref': {'name': 'order_lineage'}}}) }}
with expected as (
    select placed.order_key, fill.fill_id
    from {{ ref('stg_orders') }} as placed
    left join {{ ref('stg_fills') }} as fill on placed.order_key = fill.order_key
),

found as (
    select order_key, fill_id, count(*) as times from {{ ref('order_lineage') }} group by all
)

select expected.order_key, expected.fill_id, found.times
from expected
full join found
    on expected.order_key = found.order_key and expected.fill_id is not distinct from found.fill_id
where found.times is distinct from 1 or expected.order_key is null
