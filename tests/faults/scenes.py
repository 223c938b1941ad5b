"""The life of a candidate in scenes: for each, the home before it and the commands that follow.

A scene's home is the one that the scene before it left, made by the same commands. Three lives:
one that passes and trades, one that drifts and is taken back, one that climbs the ramp.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from evaluated_examples import PASSING, SNAPSHOT

from torghut_assets.resources.home import Home

from . import TESTS, boundary, judge, workbench
from .workbench import commands

CANDIDATES: Final = TESTS.parent / "candidates"
DRIFTS: Final = "slow-trend-megacaps-v1"
_DAY, _NEXT = "2022-01-03", "2022-01-04"
_BEFORE, _DECLINE = "2022-01-20", "2022-01-21"
_RUN = ("run", PASSING, "--snapshot", SNAPSHOT)
_SMALL_LOSS_FAILS: Final = (
    b"degrade: 0.03\n    fail: 0.07",
    b"degrade: 0.03\n    fail: 0.04",
)
"""On 21 January 2022 Netflix lost a fifth of its price; who held it equally lost 4 to 5 %."""


@dataclass(frozen=True)
class Scene:
    """One step of a life.

    Attributes
    ----------
    name : str
    stage : str
        The stage of the pipeline that it is about.
    act : callable
        Does it, in a process of its own, and does it again after an interruption.
    ends : tuple of int
        Exit statuses of an undisturbed run.
    life : str
        Scenes of one life follow each other.
    """

    name: str
    stage: str
    act: Callable[[], Any]
    ends: tuple[int, ...] = (0,)
    life: str = "passes"


@dataclass(frozen=True)
class Stage:
    """A scene with the home before it, and what an undisturbed run leaves."""

    scene: Scene
    before: Path
    after: Path
    undisturbed: dict[str, Any]
    calls: tuple[str, ...]

    @property
    def points(self) -> int:
        """How many calls change a file in an undisturbed run."""
        return len(self.calls)


def _add(candidate: str) -> tuple[str, ...]:
    return ("candidate", "add", str(CANDIDATES / f"{candidate}.yaml"))


def _trade_without_rollback() -> list[Any]:
    """Trade and judge a session, and die before the rollback that its report calls for."""
    from torghut_assets.cli.driver import Driver
    from torghut_assets.cli.instance import instance_of

    home = Home.from_environment()
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.open_session(_DECLINE)
        driver.step("settings", None)
        driver.step("deployment", DRIFTS)
        driver.step("session", f"{DRIFTS}|{_DECLINE}")
        driver.settle_session(DRIFTS, _DECLINE)
        return [0, driver.stands_at(DRIFTS), ""]


def _drifting_home() -> list[Any]:
    """Evaluate the candidate that drifts, under a policy that a loss of 4 % fails, and trade."""
    home = Home.from_environment()
    text = home.config_path("drift_policy").read_bytes()
    if text.count(_SMALL_LOSS_FAILS[0]) != 1:
        raise ValueError("drift_policy.yaml does not say the limit once")
    (home.root / "config").mkdir(parents=True, exist_ok=True)
    (home.root / "config" / "drift_policy.yaml").write_bytes(text.replace(*_SMALL_LOSS_FAILS))
    lines = (
        _add(DRIFTS),
        ("snapshot", "take", "us-megacaps", "--as-of", "2021-12-31"),
        ("run", DRIFTS, "--snapshot", SNAPSHOT),
        ("session", "run", DRIFTS, "--session", _BEFORE),
    )
    return commands(lines)()


SCENES: Final = (
    Scene("first use", "research_intake", commands([_add(PASSING)]), life="begins"),
    Scene("intake", "research_intake", commands([_add(PASSING)])),
    Scene("build", "candidate_build", commands([("run", PASSING, "--through", "strategy_build")])),
    Scene(
        "snapshot",
        "backtest_robustness",
        commands([("snapshot", "take", "us-megacaps", "--as-of", "2021-12-31")]),
    ),
    Scene(
        "evaluation",
        "backtest_robustness",
        commands([(*_RUN, "--through", "reproducibility_manifest")]),
    ),
    Scene("gate", "gate_policy_evaluation", commands([_RUN])),
    Scene("deployment", "shadow_paper_deployment", commands([("session", "deploy", PASSING)])),
    Scene(
        "session",
        "shadow_paper_deployment",
        commands([("session", "run", PASSING, "--session", _DAY)]),
    ),
    Scene(
        "next session",
        "shadow_paper_deployment",
        commands([("session", "run", PASSING, "--session", _NEXT)]),
    ),
    Scene(
        "kill switch",
        "rollback_incident",
        commands([("kill", "--all", "--reason", "a fault is rehearsed")]),
        life="passes",
    ),
    Scene("to the decline", "shadow_paper_deployment", _drifting_home, life="drifts"),
    Scene("drift", "continuous_monitoring", _trade_without_rollback, life="drifts"),
    Scene(
        "rollback",
        "rollback_incident",
        commands([("session", "roll-back", DRIFTS, "--session", _DECLINE)]),
        life="drifts",
    ),
)
NOT_DISTURBED: Final = frozenset({"to the decline"})
"""Scenes that only lead to the next one."""


def stages(folder: Path, only: frozenset[str] | None = None) -> Iterator[Stage]:
    """Play every life undisturbed, and yield its scenes with the homes before and after.

    Parameters
    ----------
    folder : Path
        Where the homes are kept.
    only : frozenset of str, optional
        Names of the scenes to yield; those that no wanted one needs are not played.
    """
    for life in dict.fromkeys(scene.life for scene in SCENES):
        scenes = [s for s in SCENES if s.life == life]
        wanted = [s for s in scenes if s.name not in NOT_DISTURBED]
        if only is not None:
            wanted = [s for s in wanted if s.name in only]
        if not wanted:
            continue
        before = folder / f"{life}-empty"
        if life == "begins":
            before.mkdir(parents=True)
        else:
            workbench.call(before, prepare)
        for scene in scenes[: scenes.index(wanted[-1]) + 1]:
            stage = played(scene, before, folder / scene.name.replace(" ", "-"))
            if scene in wanted:
                yield stage
            before = stage.after


def played(scene: Scene, before: Path, after: Path) -> Stage:
    """Play a scene undisturbed on a copy of the home before it."""
    workbench.copied(before, after)
    with NamedTemporaryFile("r") as traced:

        def act() -> Any:
            boundary.trace(Path(traced.name))
            try:
                return scene.act()
            finally:
                boundary.trace(None)

        ended = workbench.call(after, act)
        calls = tuple(traced.read().splitlines())
    if ended.value is None or ended.value[0] not in scene.ends:
        raise RuntimeError(f"{scene.name}, undisturbed: {ended}")
    state = workbench.call(after, lambda: judge.state_of(Home.from_environment())).value
    if state["broken"]:
        raise RuntimeError(f"{scene.name}, undisturbed: {state['broken']}")
    return Stage(scene, before, after, state, calls)


def prepare() -> None:
    """Make an empty home with its Dagster instance."""
    from torghut_assets.cli.instance import instance_of

    with instance_of(Home.from_environment()):
        pass
