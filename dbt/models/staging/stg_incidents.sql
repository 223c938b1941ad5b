select * from {{ source('evidence', 'incidents') }}
