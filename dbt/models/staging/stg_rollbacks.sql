select * from {{ source('evidence', 'rollbacks') }}
