select * from {{ source('evidence', 'sessions') }}
