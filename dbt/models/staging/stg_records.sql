select * from {{ source('evidence', 'records') }}
