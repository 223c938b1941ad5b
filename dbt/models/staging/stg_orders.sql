select * from {{ source('evidence', 'orders') }}
