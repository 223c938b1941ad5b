select * from {{ source('evidence', 'overfit_statistics') }}
