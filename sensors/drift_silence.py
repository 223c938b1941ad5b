"""A deployed candidate that says nothing is taken out: no passing report within its budget."""

import datetime as dt

import dagster as dg

from torghut_assets.assets.partitions import SESSIONS
from torghut_assets.domain.drift.policy import parse_drift_policy
from torghut_assets.resources.home import Home
from torghut_assets.resources.rollback_desk import SILENT, RollbackDesk
from torghut_assets.resources.session_desk import SessionDesk
from torghut_assets.sensors.attempts import next_attempt


@dg.sensor(
    job_name="roll_back",
    description=(
        "Request one rollback of each deployment without a passing report within its budget."
    ),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=60,
)
def drift_silence(
    context: dg.SensorEvaluationContext,
    home: dg.ResourceParam[Home],
    session_desk: dg.ResourceParam[SessionDesk],
    rollback_desk: dg.ResourceParam[RollbackDesk],
) -> dg.SensorResult:
    """Request one rollback of each deployment without a passing report within its budget."""
    now = session_desk.clock()
    budget = parse_drift_policy(home.config_path("drift_policy").read_bytes()).silence
    opened = set(context.instance.get_dynamic_partitions(str(SESSIONS.name)))
    wanted: dict[str, str] = {
        plan.deployment_digest: plan.subject
        for plan in rollback_desk.unfinished_after_silence(context.instance)
    }
    for deployed in rollback_desk.deployed(context.instance):
        silence = rollback_desk.silence(context.instance, deployed, budget, now)
        if silence is not None:
            candidate = deployed.deployment.candidate_id
            wanted[deployed.deployment.digest] = f"{candidate}|{silence.session}"
    requests: list[dg.RunRequest] = []
    for digest, partition in wanted.items():
        attempt = next_attempt(context.instance, {SILENT: digest}, dt.datetime.now(tz=dt.UTC))
        if attempt is not None:
            requests.append(
                dg.RunRequest(
                    run_key=f"silence-{digest}-{attempt.number}",
                    partition_key=partition,
                    tags={SILENT: digest},
                )
            )
    sessions = {str(request.partition_key).partition("|")[2] for request in requests}
    new = sorted(sessions - opened)
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[SESSIONS.build_add_request(new)] if new else [],
        skip_reason=None if requests else "every deployed candidate reports",
    )
