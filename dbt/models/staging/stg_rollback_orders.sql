select * from {{ source('evidence', 'rollback_orders') }}
