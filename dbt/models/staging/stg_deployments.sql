select * from {{ source('evidence', 'deployments') }}
