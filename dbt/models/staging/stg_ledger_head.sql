select * from {{ source('evidence', 'ledger_head') }}
