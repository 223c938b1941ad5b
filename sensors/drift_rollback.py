"""A report that fails takes its candidate out: one rollback per failing report.

The sensor reads records, never metadata. Whether a report was answered is asked of the plans,
receipts and incidents that exist, so that a lost cursor, a second daemon or a hundred ticks ask
for nothing twice, and a rollback that did not restore anything is asked for again, a few times.
"""

import datetime as dt
import json
from typing import NamedTuple

import dagster as dg

from torghut_assets.domain.rollback.decide import calls_for_rollback
from torghut_assets.resources.rollback_desk import ANSWERS, REPORTS, RollbackDesk
from torghut_assets.sensors.attempts import next_attempt

_PAGE = 200


class Failing(NamedTuple):
    """A failing report that is not answered yet."""

    asset: str
    partition: str
    digest: str


class Cursor(NamedTuple):
    """The last event that was seen, and what is still to be answered."""

    seen: int
    waiting: tuple[Failing, ...]

    @classmethod
    def read(cls, text: str | None) -> "Cursor":
        """Read a cursor; one that is lost or of another version starts at the beginning."""
        try:
            fields = json.loads(text or "")
            return cls(int(fields["seen"]), tuple(Failing(*item) for item in fields["waiting"]))
        except (ValueError, TypeError, KeyError):
            return cls(0, ())

    def write(self) -> str:
        """Return the text that Dagster keeps."""
        return json.dumps({"seen": self.seen, "waiting": [list(item) for item in self.waiting]})


@dg.sensor(
    job_name="roll_back",
    description="Request one rollback per drift or paper gate report that fails, oldest first.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=15,
)
def drift_rollback(
    context: dg.SensorEvaluationContext, rollback_desk: dg.ResourceParam[RollbackDesk]
) -> dg.SensorResult:
    """Request one rollback per drift or paper gate report that fails, oldest first."""
    now = dt.datetime.now(tz=dt.UTC)
    before = Cursor.read(context.cursor)
    seen, new = _newly_failing(context, rollback_desk, before.seen)
    waiting: list[Failing] = []
    requests: list[dg.RunRequest] = []
    for failing in dict.fromkeys([*before.waiting, *new]):
        if _is_answered(context.instance, rollback_desk, failing):
            continue
        waiting.append(failing)
        attempt = next_attempt(context.instance, {ANSWERS: failing.digest}, now)
        if attempt is None:
            context.log.info(f"{failing.asset} {failing.partition}: a rollback is on its way")
            continue
        if attempt.is_last:
            context.log.error(f"{failing.partition}: {attempt.number} rollbacks did not restore it")
        requests.append(
            dg.RunRequest(
                run_key=f"rollback-{failing.digest}-{attempt.number}",
                partition_key=failing.partition,
                tags={ANSWERS: failing.digest},
            )
        )
    return dg.SensorResult(
        run_requests=requests,
        cursor=Cursor(seen, tuple(waiting)).write(),
        skip_reason=None if requests else f"no unanswered failing report up to event {seen}",
    )


def _newly_failing(
    context: dg.SensorEvaluationContext, desk: RollbackDesk, seen: int
) -> tuple[int, list[Failing]]:
    """Look at the next reports after event `seen`; return the last one and those that fail."""
    newer = sorted(
        (event, asset)
        for asset in REPORTS
        for event in desk.history.made(context.instance, dg.AssetKey(asset))
        if event.storage_id > seen
    )[:_PAGE]
    failing = [
        Failing(asset, event.partition, event.digest)
        for event, asset in newer
        if calls_for_rollback(desk.verdict(asset, event.digest, event.partition).verdict)
    ]
    return (newer[-1][0].storage_id if newer else seen), failing


def _is_answered(instance: dg.DagsterInstance, desk: RollbackDesk, failing: Failing) -> bool:
    plan = desk.existing_plan(instance, failing.partition, frozenset({failing.digest}))
    return plan is not None and desk.is_done(instance, plan)
