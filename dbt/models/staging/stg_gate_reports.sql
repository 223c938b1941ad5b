select * from {{ source('evidence', 'gate_reports') }}
