with reports as (
    select
        candidate_id,
        session,
        digest,
        ledger_sequence,
        any_value(report_level) as level,
        any_value(report_verdict) as verdict,
        count(*) as readings,
        count(*) filter (level = 'fail') as failed,
        count(*) filter (level = 'abstain') as abstained,
        count(*) filter (level = 'degrade') as degraded,
        count(*) filter (level = 'not_yet') as not_yet,
        arg_max(measurement, (severity, -position)) filter (severity > 1) as worst_measurement,
        string_agg(reason, '; ' order by severity desc, position) filter (severity > 1) as reasons
    from {{ ref('stg_drift_readings') }}
    where is_current
    group by candidate_id, session, digest, ledger_sequence
)

select
    reports.candidate_id,
    reports.session,
    reports.level,
    reports.verdict,
    reports.readings,
    reports.failed,
    reports.abstained,
    reports.degraded,
    reports.not_yet,
    reports.worst_measurement,
    worst.measured as worst_measured,
    worst.unit as worst_unit,
    worst.fail_limit as worst_fail_limit,
    reports.reasons,
    rollback.state as rollback_state,
    rollback.digest as rollback_receipt_digest,
    incident.incident_class,
    incident.circumstances,
    incident.digest as incident_report_digest,
    reports.digest,
    reports.ledger_sequence
from reports
left join {{ ref('stg_drift_readings') }} as worst
    on reports.digest = worst.digest and reports.worst_measurement = worst.measurement
left join {{ ref('stg_rollbacks') }} as rollback
    on reports.candidate_id = rollback.candidate_id
    and reports.session = rollback.session
    and rollback.is_current
left join {{ ref('stg_incidents') }} as incident
    on reports.candidate_id = incident.candidate_id
    and reports.session = incident.session
    and incident.is_current
order by reports.candidate_id, reports.session
