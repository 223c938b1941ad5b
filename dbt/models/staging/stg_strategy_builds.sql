select * from {{ source('evidence', 'strategy_builds') }}
