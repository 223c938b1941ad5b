select * from {{ source('evidence', 'trial_tickets') }}
