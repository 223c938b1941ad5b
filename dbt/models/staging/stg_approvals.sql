select * from {{ source('evidence', 'approvals') }}
