"""Rehearse a path through the pipeline in a temporary home, on the embedded data.

Everything is real: candidates, bars, engine, gates, receipts. The home is thrown away. Each
line says what ran or what refused; a path counts only if it ended where it must, and if the
stage validators find the same as the receipts say.
"""

from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import click
import dagster as dg

from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.snapshot import register
from torghut_assets.definitions import stage_desk
from torghut_assets.domain.errors import EvidenceError, StageRefusedError
from torghut_assets.domain.gates.feedback import ResearchFeedback
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.domain.stages.evidence import Outcome, outcome_of
from torghut_assets.domain.stages.loader import load_pipeline
from torghut_assets.domain.stages.machine import require_active, stand
from torghut_assets.domain.stages.receipts import StageReceipt
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record
from torghut_assets.resources.new_files import write_new

_SNAPSHOT: Final = "us-megacaps@2021-12-31"
_PASSES: Final = "tsmom-megacaps-v1"
_IS_REFUSED: Final = "dip-buying-megacaps-v1"
_STEPS: Final = (
    ("settings", "gate_policy"),
    ("candidate", "strategy_build"),
    ("snapshot", "dataset_snapshot"),
    ("evaluation", "research_feedback"),
)
NEEDS: Final = {"paper": "shadow_paper_deployment", "rollback": "rollback_incident"}
"""Paths through stages that may not be active, and the stage each needs."""


class RehearsalFailedError(StageRefusedError):
    """A path did not end where it must."""


class Validated(NamedTuple):
    """What the validator of a stage found on a candidate after a path, as its receipt says."""

    stage: str
    candidate: str
    outcome: Outcome


def active_paths(home: Home) -> tuple[str, ...]:
    """Return the paths whose stages are active in a home's pipeline."""
    pipeline = stage_desk(home).pipeline
    return tuple(path for path in _PATHS if path not in NEEDS or pipeline.stage(NEEDS[path]).active)


def rehearse(
    path: str, say: Callable[[str], None] = click.echo, pipeline: bytes | None = None
) -> tuple[Validated, ...]:
    """Run one path, validate every stage it decided, and throw its home away.

    Parameters
    ----------
    path : str
        One of the paths of `_PATHS`.
    say : callable
        Called with each line.
    pipeline : bytes, optional
        The pipeline file to rehearse; the one in force if it is left out.

    Raises
    ------
    StageRefusedError
        If the path needs a stage that is not active, or did not end where it must.
    """
    payload = pipeline or Home.from_environment().config_path("pipeline").read_bytes()
    if path in NEEDS:
        require_active(load_pipeline(payload), NEEDS[path])
    with TemporaryDirectory(prefix="torghut-rehearsal-") as folder:
        home = Home.at(Path(folder) / "home")
        home.prepare()
        write_new(home.root / "config" / "pipeline.yaml", payload)
        with instance_of(home) as instance:
            rehearsal = _Rehearsal(home, instance, say)
            _PATHS[path](rehearsal)
            validated = rehearsal.validate_stages()
    say(f"{path}: ended where it must")
    return validated


class _Rehearsal:
    """One path in one temporary home."""

    def __init__(self, home: Home, instance: dg.DagsterInstance, say: Callable[[str], None]):
        self._home, self._instance, self._say = home, instance, say
        self._desk = stage_desk(home)

    def promote_to_gate(self) -> None:
        """A good candidate passes its gate and waits in front of deployment."""
        self._evaluate(_PASSES)
        deployment = self._desk.pipeline.stage("shadow_paper_deployment")
        if deployment.active:
            self._must_stand(_PASSES, deployment.name, Outcome.PASS)
            first = deployment.output_assets[0]
            self._must_refuse(
                f"{first} without an approval",
                lambda: self._desk.guard(self._instance, first, _PASSES),
            )
            return
        last = self._must_stand(_PASSES, "gate_policy_evaluation", Outcome.PASS)
        self._must_refuse(
            deployment.name,
            lambda: self._desk.settle(self._instance, _PASSES, _SNAPSHOT, deployment.name),
        )
        if last.decision.held_because is None:
            raise RehearsalFailedError("the pass was not held in front of an inactive stage")

    def paper(self) -> None:
        """A candidate that passed is approved, trades on paper and stays there."""
        raise RehearsalFailedError("path paper: there is nothing to rehearse it with yet.")

    def rollback(self) -> None:
        """A deployed candidate drifts and is rolled back, exactly once."""
        raise RehearsalFailedError("path rollback: there is nothing to rehearse it with yet.")

    def gate_fail(self) -> None:
        """A refused candidate returns to research; only a child that cites why may follow."""
        self._evaluate(_IS_REFUSED)
        self._must_stand(_IS_REFUSED, "research_intake", Outcome.FAIL)
        feedback = current_record(
            self._instance,
            self._home.store,
            ResearchFeedback,
            dg.AssetKey("research_feedback"),
            f"{_IS_REFUSED}|{_SNAPSHOT}",
        )
        if feedback is None:
            raise RehearsalFailedError("the refusal left no feedback")
        self._say(f"ran      research_feedback: {', '.join(feedback.reason_classes)}")
        for child, cites in (("child-without-reasons", "0" * 64), ("child", feedback.digest)):
            name = f"dip-buying-{child}"
            submit(self._home, _child(name, cites), f"{name}.yaml")
        self._must_refuse(
            "dip-buying-child-without-reasons",
            lambda: self._build("dip-buying-child-without-reasons"),
        )
        self._say_receipts(
            self._desk.settle(
                self._instance, "dip-buying-child-without-reasons", None, "research_intake"
            )
        )
        self._must_stand("dip-buying-child-without-reasons", "research_intake", Outcome.FAIL)
        self._build("dip-buying-child")
        self._say_receipts(
            self._desk.settle(self._instance, "dip-buying-child", None, "research_intake")
        )
        self._must_stand("dip-buying-child", "candidate_build", Outcome.PASS)

    def validate_stages(self) -> tuple[Validated, ...]:
        """Judge every stage that was decided once more, as `torghut stage validate` does."""
        latest = {
            (receipt.decision.candidate_id, receipt.decision.stage): receipt
            for receipt in self._desk.book.receipts()
            if receipt.outcome is not Outcome.SUPERSEDED
        }
        return tuple(self._validated(receipt) for receipt in latest.values())

    def _validated(self, receipt: StageReceipt) -> Validated:
        decision = receipt.decision
        requires, ensures = self._desk.examine(
            self._instance, decision.stage, decision.candidate_id, decision.snapshot_id
        )
        found = outcome_of((*requires, *ensures))
        if found is not receipt.outcome:
            raise RehearsalFailedError(
                f"{decision.stage} of {decision.candidate_id}: the validator finds {found.value}, "
                f"receipt {receipt.sequence} says {receipt.outcome.value}."
            )
        self._say(f"valid    {decision.stage} of {decision.candidate_id}: {found.value} again")
        return Validated(decision.stage, decision.candidate_id, found)

    def _evaluate(self, candidate: str) -> None:
        submit(self._home, _example(candidate), f"{candidate}.yaml")
        register(self._home, parse_snapshot_id(_SNAPSHOT))
        driver = Driver(self._home, self._instance)
        self._must_refuse(
            "gate_report before its evidence",
            lambda: self._desk.guard(self._instance, "gate_report", f"{candidate}|{_SNAPSHOT}"),
        )
        partitions = {"candidate": candidate, "snapshot": _SNAPSHOT}
        for step, last in _STEPS:
            partition = f"{candidate}|{_SNAPSHOT}" if step == "evaluation" else partitions.get(step)
            made = driver.step(step, partition, through="research_feedback").made
            self._say(f"ran      {step}: {', '.join(made)}")
            if step in {"candidate", "evaluation"}:
                self._say_receipts(driver.settle(candidate, _SNAPSHOT, through=last))

    def _build(self, candidate: str) -> None:
        made = Driver(self._home, self._instance).step(
            "candidate", candidate, through="candidate_spec"
        )
        self._say(f"ran      candidate: {', '.join(made.made)}")

    def _must_refuse(self, what: str, attempt: Callable[[], object]) -> None:
        try:
            attempt()
        except (StageRefusedError, EvidenceError) as error:
            self._say(f"refused  {what}: {error}")
            return
        raise RehearsalFailedError(f"{what}: was not refused")

    def _must_stand(self, candidate: str, stage: str, outcome: Outcome) -> StageReceipt:
        standing = stand(self._desk.pipeline, self._desk.of(candidate))
        if standing.last is None or (standing.stage, standing.last.outcome) != (stage, outcome):
            found = standing.last.outcome.value if standing.last else "no receipt"
            raise RehearsalFailedError(
                f"{candidate} stands at {standing.stage} after {found}; it must stand at {stage} "
                f"after {outcome.value}."
            )
        self._say(f"stands   {candidate}: {stage} after {outcome.value}")
        return standing.last

    def _say_receipts(self, receipts: tuple[StageReceipt, ...]) -> None:
        for receipt in receipts:
            decision = receipt.decision
            self._say(
                f"decided  {decision.stage}: {receipt.outcome.value} -> {decision.to_stage}  "
                f"receipt {receipt.sequence} {receipt.digest[:16]}"
            )


_PATHS: Final[Mapping[str, Callable[[_Rehearsal], None]]] = {
    "promote-to-gate": _Rehearsal.promote_to_gate,
    "gate-fail": _Rehearsal.gate_fail,
    "paper": _Rehearsal.paper,
    "rollback": _Rehearsal.rollback,
}


def _example(candidate: str) -> bytes:
    return files("torghut_assets.candidates").joinpath(f"{candidate}.yaml").read_bytes()


def _child(name: str, cites: str) -> bytes:
    """Return the refused example as a child of itself that cites a digest."""
    evidence = f"parent: {_IS_REFUSED}\nprior_run_evidence:\n  - digest: {cites!r}\n"
    evidence += "    note: what the gate said about the parent\n"
    text = _example(_IS_REFUSED).decode("utf-8")
    child = text.replace(f"candidate_id: {_IS_REFUSED}", f"candidate_id: {name}", 1)
    return child.replace("prior_run_evidence: []\n", evidence, 1).encode("utf-8")
