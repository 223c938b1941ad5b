"""A temporary home in which a path is rehearsed: run, refuse, look where a candidate stands.

Every step says in a line what happened. What must be refused and is not, a candidate that
stands elsewhere than it must, and a validator that finds something else than the receipt says,
end the rehearsal with an error.
"""

from collections.abc import Callable
from importlib.resources import files
from textwrap import shorten
from typing import Final, NamedTuple

import dagster as dg

from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.snapshot import register
from torghut_assets.definitions import stage_desk
from torghut_assets.domain.errors import EvidenceError, StageRefusedError
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.domain.stages.evidence import Finding, Outcome, outcome_of
from torghut_assets.domain.stages.machine import stand
from torghut_assets.domain.stages.receipts import StageReceipt
from torghut_assets.resources.home import Home
from torghut_assets.resources.new_files import write_new
from torghut_assets.resources.stage_desk import Subject

SNAPSHOT: Final = "us-megacaps@2021-12-31"
_WIDEST: Final = 260
_STEPS: Final = (
    ("settings", "gate_policy"),
    ("candidate", "strategy_build"),
    ("snapshot", "dataset_snapshot"),
    ("evaluation", "research_feedback"),
)


class RehearsalFailedError(StageRefusedError):
    """A path did not end where it must."""


class Validated(NamedTuple):
    """What the validator of a stage found on a candidate after a path, as its receipt says."""

    stage: str
    candidate: str
    outcome: Outcome


class RehearsedHome:
    """One path in one temporary home.

    Parameters
    ----------
    home : Home
    instance : dagster.DagsterInstance
        Of that home.
    say : callable
        Called with each line.
    """

    def __init__(
        self, home: Home, instance: dg.DagsterInstance, say: Callable[[str], None]
    ) -> None:
        self.home, self.instance, self.say = home, instance, say
        self.desk = stage_desk(home)
        self.validated: list[Validated] = []
        self._judged_through = 0

    @property
    def driver(self) -> Driver:
        """A driver under the settings in force now."""
        return Driver(self.home, self.instance)

    def put_setting(self, name: str, payload: bytes) -> None:
        """Put a setting into the home; it is in force from the next driver on."""
        path = self.home.root / "config" / f"{name}.yaml"
        path.unlink(missing_ok=True)
        write_new(path, payload)

    def change_setting(self, name: str, old: bytes, new: bytes) -> bytes:
        """Replace one passage of a setting and say so; return the setting as it was."""
        payload: bytes = self.home.config_path(name).read_bytes()
        if payload.count(old) != 1:
            raise RehearsalFailedError(f"{name}.yaml does not say {old.decode()!r} once")
        self.put_setting(name, payload.replace(old, new))
        before, after = (" ".join(text.decode().split()) for text in (old, new))
        self.say(f"setting  {name}: {after} (instead of {before})")
        return payload

    def evaluate(self, candidate: str) -> None:
        """Take an example from its thesis through its gate and validate what was decided."""
        submit(self.home, example(candidate), f"{candidate}.yaml")
        register(self.home, parse_snapshot_id(SNAPSHOT))
        driver, evaluation = self.driver, f"{candidate}|{SNAPSHOT}"
        self.must_refuse(
            "gate_report before its evidence",
            lambda: self.desk.guard(self.instance, "gate_report", evaluation),
        )
        partitions = {"candidate": candidate, "snapshot": SNAPSHOT, "evaluation": evaluation}
        for step, last in _STEPS:
            made = driver.step(step, partitions.get(step), through="research_feedback").made
            self.say(f"ran      {step}: {', '.join(made)}")
            if step in {"candidate", "evaluation"}:
                self.say_receipts(driver.settle(candidate, SNAPSHOT, through=last))
        self.validate_stages()

    def build(self, candidate: str) -> None:
        """Make a submitted candidate's specification."""
        made = self.driver.step("candidate", candidate, through="candidate_spec").made
        self.say(f"ran      candidate {candidate}: {', '.join(made)}")

    def decide_intake(self, candidate: str, outcome: Outcome, stands_at: str) -> None:
        """Decide a candidate's intake; it must come to `outcome` and lead to `stands_at`."""
        self.say_receipts(self.desk.settle(self.instance, candidate, None, "research_intake"))
        self.must_stand(candidate, stands_at, outcome)

    def must_refuse(self, what: str, attempt: Callable[[], object]) -> str:
        """Try what must be refused; return the refusal."""
        try:
            attempt()
        except (StageRefusedError, EvidenceError) as error:
            self.say(f"refused  {what}: {shorten(str(error), _WIDEST, placeholder=' …')}")
            return str(error)
        raise RehearsalFailedError(f"{what}: was not refused")

    def must_stand(self, candidate: str, stage: str, outcome: Outcome) -> StageReceipt:
        """Return a candidate's last receipt, which must have this outcome and lead here."""
        standing = stand(self.desk.pipeline, self.desk.of(candidate))
        if standing.last is None or (standing.stage, standing.last.outcome) != (stage, outcome):
            found = standing.last.outcome.value if standing.last else "no receipt"
            raise RehearsalFailedError(
                f"{candidate} stands at {standing.stage} after {found}; it must stand at {stage} "
                f"after {outcome.value}."
            )
        self.say(f"stands   {candidate}: {stage} after {outcome.value}")
        return standing.last

    def say_receipts(self, receipts: tuple[StageReceipt, ...]) -> None:
        """Say what was decided."""
        for receipt in receipts:
            decision = receipt.decision
            self.say(
                f"decided  {decision.stage}: {receipt.outcome.value} -> {decision.to_stage}  "
                f"receipt {receipt.sequence} {receipt.digest[:16]}"
            )

    def validate_stages(self) -> None:
        """Judge what was decided since the last time once more, as `torghut stage validate` does.

        Of a stage that was decided several times the newest decision is judged.
        """
        latest = {
            (receipt.decision.candidate_id, receipt.decision.stage): receipt
            for receipt in self.desk.book.receipts()
            if receipt.sequence > self._judged_through and receipt.outcome is not Outcome.SUPERSEDED
        }
        for receipt in latest.values():
            decision = receipt.decision
            subject = Subject(decision.candidate_id, decision.snapshot_id, decision.session)
            found = self.examine(decision.stage, subject)
            if found is not receipt.outcome:
                raise RehearsalFailedError(
                    f"{decision.stage} of {decision.candidate_id}: the validator finds "
                    f"{found.value}, receipt {receipt.sequence} says {receipt.outcome.value}."
                )
            self._judged_through = max(self._judged_through, receipt.sequence)
            self.say(f"valid    {decision.stage} of {decision.candidate_id}: {found.value} again")

    def examine(self, stage: str, subject: Subject) -> Outcome:
        """Return what the validator of a stage finds on records, and note that it was asked.

        Raises
        ------
        RehearsalFailedError
            If the condition of a guard does not hold although what it guards was made.
        """
        sides = self.desk.examine(self.instance, stage, subject)
        requires = sides.pop("requires")
        ensures = sides.pop("ensures") if outcome_of(requires) is Outcome.PASS else ()
        sides.pop("ensures", None)
        for side, findings in sides.items():
            _require_kept(f"{stage} of {subject.candidate}: {side}", findings)
        found = outcome_of((*requires, *ensures))
        self.validated.append(Validated(stage, subject.candidate, found))
        return found


def _require_kept(where: str, findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        if finding.outcome is not Outcome.PASS:
            raise RehearsalFailedError(
                f"{where}: {finding.condition} is {finding.outcome.value}, {finding.detail}, and "
                "what it guards was made."
            )


def example(candidate: str) -> bytes:
    """Return the file of an example candidate."""
    return files("torghut_assets.candidates").joinpath(f"{candidate}.yaml").read_bytes()


def child_of(candidate: str, name: str, cites: str) -> bytes:
    """Return an example as a child of itself that cites a digest."""
    evidence = f"parent: {candidate}\nprior_run_evidence:\n  - digest: {cites!r}\n"
    evidence += "    note: why the parent came back\n"
    text = example(candidate).decode("utf-8")
    child = text.replace(f"candidate_id: {candidate}", f"candidate_id: {name}", 1)
    return child.replace("prior_run_evidence: []\n", evidence, 1).encode("utf-8")
