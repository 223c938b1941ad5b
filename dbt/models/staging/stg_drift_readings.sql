select * from {{ source('evidence', 'drift_readings') }}
