{{ config(meta={'dagster': {'ref': {'name': 'candidate_scorecard'}}}) }}
-- Who was refused has reasons, who passed has none, and no decision is left out.
select candidate_id, snapshot_id, verdict
from {{ ref('candidate_scorecard') }}
where (verdict = 'pass') is distinct from (len(reason_codes) = 0) and verdict is not null
union all
select candidate_id, snapshot_id, verdict
from {{ ref('stg_gate_reports') }}
where asset = 'gate_report' and is_current
    and digest not in (select digest from {{ ref('candidate_scorecard') }} where digest is not null)
