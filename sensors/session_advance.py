"""A session that is over is followed by the next: one run per deployed candidate, in order.

In replay a session is run as a whole once the source has its bars. With a real broker the orders
of a session are routed when the session before it is over, and the session is settled after its own
close. A candidate that was rolled back, or that the kill switch stops, is left alone.
"""

import datetime as dt
from typing import Final, NamedTuple

import dagster as dg

from torghut_assets.assets.partitions import SESSIONS
from torghut_assets.domain.errors import TorghutError
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.resources.drift_desk import sessions_after
from torghut_assets.resources.rollback_desk import Deployed, RollbackDesk
from torghut_assets.resources.session_desk import SessionDesk
from torghut_assets.sensors.attempts import next_attempt

SESSION_TAG: Final = "torghut/session"
"""Tag of a session's run: `<candidate>|<session> <what>`."""
_INTENTS = dg.AssetKey("order_intents")
_REPORT = dg.AssetKey("drift_report")
_ROUTE = ("order_intents", "paper_orders")
_SETTLE = ("paper_fills", "paper_tca", "paper_gate_report", "drift_report")
_GRACE = dt.timedelta(minutes=20)
"""After the close, until a broker's books and a source's bars are complete."""
_ATTEMPTS = 3


class Step(NamedTuple):
    """The next run of a candidate: a session, and which part of it."""

    session: str
    what: str
    assets: tuple[str, ...]


@dg.sensor(
    job_name="trade_session",
    description=(
        "Request the next session of every deployed candidate, when it is due and nothing runs."
    ),
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
def session_advance(
    context: dg.SensorEvaluationContext,
    session_desk: dg.ResourceParam[SessionDesk],
    rollback_desk: dg.ResourceParam[RollbackDesk],
) -> dg.SensorResult:
    """Request the next session of every deployed candidate, when it is due and nothing runs."""
    opened = set(context.instance.get_dynamic_partitions(str(SESSIONS.name)))
    requests: list[dg.RunRequest] = []
    waiting: list[str] = []
    for deployed in rollback_desk.deployed(context.instance):
        candidate = deployed.deployment.candidate_id
        try:
            step = _next_step(context.instance, session_desk, rollback_desk, deployed)
        except TorghutError as error:
            waiting.append(f"{candidate}: {error}")
            continue
        if step is None:
            continue
        partition = f"{candidate}|{step.session}"
        tags = {SESSION_TAG: f"{partition} {step.what}"}
        wall = dt.datetime.now(tz=dt.UTC)
        attempt = next_attempt(context.instance, tags, wall)
        if attempt is None or attempt.number >= _ATTEMPTS:
            waiting.append(
                f"{partition}: {'running' if attempt is None else 'failed, see its runs'}"
            )
            continue
        requests.append(
            dg.RunRequest(
                run_key=f"{step.what}-{partition}-{deployed.deployment.digest}-{attempt.number}",
                partition_key=partition,
                tags=tags,
                asset_selection=[dg.AssetKey(name) for name in step.assets],
            )
        )
    new = sorted({str(r.partition_key).partition("|")[2] for r in requests} - opened)
    return dg.SensorResult(
        run_requests=requests,
        dynamic_partitions_requests=[SESSIONS.build_add_request(new)] if new else [],
        skip_reason=None if requests else "; ".join(waiting) or "no session is due",
    )


def _next_step(
    instance: dg.DagsterInstance, desk: SessionDesk, rollbacks: RollbackDesk, deployed: Deployed
) -> Step | None:
    """Return what is due next of a candidate, `None` if nothing is.

    Raises
    ------
    TorghutError
        If the candidate is stopped, or its bars cannot be read.
    """
    deployment = deployed.deployment
    candidate = deployment.candidate_id
    desk.kill.require_clear(candidate, subject=f"sessions of {candidate}")
    begun = _of_deployment(instance, rollbacks, deployed, _INTENTS)
    ended = _of_deployment(instance, rollbacks, deployed, _REPORT)
    last = max(begun, default=None)
    unsettled = last is not None and last not in ended
    if deployment.broker == "replay":
        session = last if unsettled and last else _following(desk, deployed, last)
        return (
            Step(session, "session", (*_ROUTE, *_SETTLE))
            if _has_bars(desk, deployed, session)
            else None
        )
    if unsettled and last:
        return Step(last, "settle", _SETTLE) if _is_over(desk, deployed, last) else None
    session = _following(desk, deployed, last)
    due = last is None or _is_over(desk, deployed, last)
    return Step(session, "route", _ROUTE) if due else None


def _of_deployment(
    instance: dg.DagsterInstance, desk: RollbackDesk, deployed: Deployed, key: dg.AssetKey
) -> set[str]:
    start = f"{deployed.deployment.candidate_id}|"
    return {
        made.partition.removeprefix(start)
        for made in desk.history.made(instance, key)
        if made.partition.startswith(start) and made.timestamp >= deployed.since
    }


def _following(desk: SessionDesk, deployed: Deployed, last: str | None) -> str:
    """Session after the last one; the first is after the snapshot, or the next to open."""
    if last is not None:
        return sessions_after(last, 1)[0]
    if deployed.deployment.broker == "replay":
        return sessions_after(str(parse_snapshot_id(deployed.deployment.snapshot_id).as_of), 1)[0]
    now = desk.clock()
    today = sessions_after(f"{now - dt.timedelta(days=1):%Y-%m-%d}", 2)
    opens = desk.times(deployed.deployment, dt.date.fromisoformat(today[0])).opens_at
    return today[0] if f"{now:%Y-%m-%dT%H:%M:%SZ}" < opens else today[1]


def _is_over(desk: SessionDesk, deployed: Deployed, session: str) -> bool:
    closes = desk.times(deployed.deployment, dt.date.fromisoformat(session)).closes_at
    return desk.clock() >= dt.datetime.fromisoformat(closes) + _GRACE


def _has_bars(desk: SessionDesk, deployed: Deployed, session: str) -> bool:
    """Whether a replay can run a session: it is over, and the source has bars of it."""
    import numpy as np

    if not _is_over(desk, deployed, session):
        return False
    panel = desk.bars.history(desk.universe_of(deployed.deployment), deployed.deployment.symbols)
    days = panel.times.astype("datetime64[D]")
    row = int(np.searchsorted(days, np.datetime64(session)))
    return row < len(days) and days[row] == np.datetime64(session)
