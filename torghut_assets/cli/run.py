"""Evaluate a candidate: drive its partitions in order and end in the gate's verdict."""

import sys
from contextlib import nullcontext
from typing import Final

import click

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.screen import Bar, bar
from torghut_assets.domain.errors import UsageError
from torghut_assets.domain.identifiers import parse_candidate_id, parse_snapshot_id
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.home import Home

EVALUATION_STEPS: Final = ("settings", "candidate", "snapshot", "evaluation")
_DECIDED_AFTER: Final = {"candidate": "strategy_build", "evaluation": "research_feedback"}
"""Steps that end stages, and the last asset of each."""


@click.command()
@click.argument("candidate_id")
@click.option("--snapshot", "snapshot_id", metavar="ID", help="<universe>@<as-of date>")
@click.option("--through", default="research_feedback", show_default=True, metavar="ASSET")
def run(candidate_id: str, snapshot_id: str | None, through: str) -> None:
    """Evaluate CANDIDATE_ID on a snapshot, through its gate report and feedback.

    Every step is a Dagster run that the UI shows. What was already made by the same code
    from the same inputs is left alone. Each stage's decision is written as a receipt.

    \b
    Examples:
      torghut run tsmom-megacaps-v1 --snapshot us-megacaps@2021-12-31
      torghut run tsmom-megacaps-v1 --through strategy_build

    Exit status: 0 done and passed, 1 done and refused by a gate, 2 wrong usage,
    3 evidence missing or altered, 4 bad input.
    """
    home = Home.from_environment()
    candidate = parse_candidate_id(candidate_id)
    snapshot = str(parse_snapshot_id(snapshot_id)) if snapshot_id else None
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        steps = driver.steps_through(through)
        if trading := set(steps) - set(EVALUATION_STEPS):
            raise UsageError(
                f"--through {through} is made by trading ({', '.join(sorted(trading))}). "
                f"Use: torghut session run {candidate} --session <YYYY-MM-DD>"
            )
        if snapshot is None and {"snapshot", "evaluation"} & set(steps):
            raise UsageError(f"--through {through} needs --snapshot <universe>@<as-of date>.")
        evaluate(driver, candidate, snapshot, through=through, steps=steps)
        verdict = driver.verdict(through, candidate, snapshot)
    if verdict is None:
        return
    if through in {"gate_report", "research_feedback"}:
        click.echo(f"{candidate} on {snapshot}: {verdict.value}")
        click.echo(f"read why: torghut report {candidate} --snapshot {snapshot}")
    else:
        click.echo(f"{through} of {candidate}: {verdict.value}")
    sys.exit(0 if verdict is Verdict.PASS else 1)


def evaluate(
    driver: Driver,
    candidate: str,
    snapshot: str | None,
    *,
    through: str,
    steps: tuple[str, ...],
    shown: Bar | None = None,
) -> None:
    """Drive the steps with a progress bar on a terminal and a line per step elsewhere.

    `shown` is the bar of a longer work of which this is a part.
    """
    partitions = {
        "settings": None,
        "candidate": candidate,
        "snapshot": snapshot,
        "evaluation": f"{candidate}|{snapshot}",
    }
    if "candidate" in steps:
        driver.require_partition("candidate", candidate, "torghut candidate add FILE")
    if "snapshot" in steps and snapshot is not None:
        universe, _, as_of = snapshot.partition("@")
        driver.require_partition(
            "snapshot", snapshot, f"torghut snapshot take {universe} --as-of {as_of}"
        )
    with (
        nullcontext(shown)
        if shown
        else bar(candidate, driver.count_assets(steps, through)) as progress
    ):
        for step in steps:
            try:
                outcome = driver.step(
                    step,
                    partitions[step],
                    through=through,
                    on_start=progress.doing,
                    on_done=lambda _: progress.advance(),
                )
            finally:  # a step that was refused is a decision too
                if step in _DECIDED_AFTER:
                    last = through if step == steps[-1] else _DECIDED_AFTER[step]
                    driver.settle(candidate, snapshot, through=last)
            if not progress.is_shown:
                made = ", ".join(outcome.made) or "nothing: all up to date"
                click.echo(f"{candidate}: {step}: made {made}", err=True)
