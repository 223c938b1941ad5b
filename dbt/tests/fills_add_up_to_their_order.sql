{{ config(meta={'dagster': {'ref': {'name': 'stg_orders'}}}) }}
select placed.order_key, placed.filled_quantity, sum(fill.quantity) as fills
from {{ ref('stg_orders') }} as placed
left join {{ ref('stg_fills') }} as fill on placed.order_key = fill.order_key
group by placed.order_key, placed.filled_quantity, placed.quantity
having coalesce(sum(fill.quantity), 0) <> placed.filled_quantity
    or placed.filled_quantity > placed.quantity
