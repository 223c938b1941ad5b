select * from {{ source('evidence', 'fills') }}
