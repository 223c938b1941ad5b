select * from {{ source('evidence', 'stage_receipts') }}
