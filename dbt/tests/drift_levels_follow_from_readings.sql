{{ config(meta={'dagster': {'ref': {'name': 'stg_drift_readings'}}}) }}
select digest, report_level, arg_max(level, severity) as worst
from {{ ref('stg_drift_readings') }}
group by digest, report_level
having worst <> report_level
