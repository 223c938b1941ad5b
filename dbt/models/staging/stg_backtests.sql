select * from {{ source('evidence', 'backtests') }}
