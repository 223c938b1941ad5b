{{ config(meta={'dagster': {'ref': {'name': 'stg_gate_reports'}}}) }}
-- A report passes if and only if every limit that its verdict requires does.
select report.digest, report.verdict
from {{ ref('stg_gate_reports') }} as report
left join {{ ref('stg_gate_limits') }} as result
    on report.digest = result.digest and report.asset = result.asset
group by report.asset, report.digest, report.verdict, report.limits
having (report.verdict = 'pass') is distinct from
    bool_and(result.verdict = 'pass') filter (result.is_required_for_verdict)
    or count(result.digest) <> report.limits
