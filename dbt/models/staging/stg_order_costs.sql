select * from {{ source('evidence', 'order_costs') }}
