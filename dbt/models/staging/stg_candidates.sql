select * from {{ source('evidence', 'candidates') }}
