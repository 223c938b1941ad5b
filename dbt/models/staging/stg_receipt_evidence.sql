select * from {{ source('evidence', 'receipt_evidence') }}
