"""Rehearse a path through the pipeline in a temporary home, on the embedded data.

Everything is real: candidates, bars, engine, gates, orders, receipts. The home is thrown away.
Each line says what ran or what refused; a path counts only if it ended where it must, and if
the stage validators find the same as the receipts say.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import click

from torghut_assets.cli.candidate import submit
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.rehearsed_home import (
    SNAPSHOT,
    RehearsalFailedError,
    RehearsedHome,
    Validated,
    child_of,
)
from torghut_assets.cli.rehearsed_trading import PASSES, paper, rollback
from torghut_assets.definitions import stage_desk
from torghut_assets.domain.gates.feedback import ResearchFeedback
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.loader import load_pipeline
from torghut_assets.domain.stages.machine import require_active
from torghut_assets.resources.home import Home

_IS_REFUSED: Final = "dip-buying-megacaps-v1"
NEEDS: Final = {"paper": "shadow_paper_deployment", "rollback": "rollback_incident"}
"""Paths through stages that may not be active, and the stage each needs."""


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
        with instance_of(home) as instance:
            rehearsed = RehearsedHome(home, instance, say)
            rehearsed.put_setting("pipeline", payload)
            _PATHS[path](rehearsed)
    say(f"{path}: ended where it must")
    return tuple(rehearsed.validated)


def promote_to_gate(path: RehearsedHome) -> None:
    """A good candidate passes its gate and waits in front of deployment."""
    path.evaluate(PASSES)
    deployment = path.desk.pipeline.stage("shadow_paper_deployment")
    if deployment.active:
        path.must_stand(PASSES, deployment.name, Outcome.PASS)
        return
    last = path.must_stand(PASSES, "gate_policy_evaluation", Outcome.PASS)
    path.must_refuse(
        deployment.name,
        lambda: path.desk.settle(path.instance, PASSES, SNAPSHOT, deployment.name),
    )
    if last.decision.held_because is None:
        raise RehearsalFailedError("the pass was not held in front of an inactive stage")


def gate_fail(path: RehearsedHome) -> None:
    """A refused candidate returns to research; only a child that cites why may follow."""
    path.evaluate(_IS_REFUSED)
    path.must_stand(_IS_REFUSED, "research_intake", Outcome.FAIL)
    feedback = path.driver.require_record(
        ResearchFeedback, "research_feedback", f"{_IS_REFUSED}|{SNAPSHOT}"
    )
    path.say(f"ran      research_feedback: {', '.join(feedback.reason_classes)}")
    path.must_refuse(
        f"the deployment of {_IS_REFUSED}",
        lambda: path.driver.step("deployment", _IS_REFUSED),
    )
    for child, cites in (("without-reasons", "0" * 64), ("with-reasons", feedback.digest)):
        name = f"dip-buying-child-{child}"
        submit(path.home, child_of(_IS_REFUSED, name, cites), f"{name}.yaml")
    refused, accepted = "dip-buying-child-without-reasons", "dip-buying-child-with-reasons"
    path.must_refuse(refused, lambda: path.build(refused))
    path.decide_intake(refused, Outcome.FAIL, "research_intake")
    path.build(accepted)
    path.decide_intake(accepted, Outcome.PASS, "candidate_build")
    path.validate_stages()


_PATHS: Final[Mapping[str, Callable[[RehearsedHome], None]]] = {
    "promote-to-gate": promote_to_gate,
    "gate-fail": gate_fail,
    "paper": paper,
    "rollback": rollback,
}
