select * from {{ source('evidence', 'gate_limits') }}
