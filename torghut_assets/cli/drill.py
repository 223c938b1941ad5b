"""Drills: try whether stopping works, while nothing is wrong."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from torghut_assets.cli.keys import passphrase
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.identifiers import parse_candidate_id
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    from torghut_assets.domain.drift.policy import DriftPolicy
    from torghut_assets.domain.orders.records import PaperDeployment
    from torghut_assets.domain.ramp.drills import DrillReport, RunbookExecution
    from torghut_assets.domain.ramp.policy import RampPolicy
    from torghut_assets.resources.drills import Drills


@click.group()
def drill() -> None:
    """Try whether stopping works, and sign what came of it into the ledger.

    The live ramp wants drills that are not older than ramp_policy.yaml says, and runbooks that a
    person has executed. A drill that failed is written down like any other.
    """


@drill.command()
def kill() -> None:
    """Stop a thousand open orders in a temporary home with the real command.

    How many is set by ramp_policy.yaml (kill_drill).

    \b
    Example:
      torghut drill kill

    Exit status: 0 worked, 1 did not, 3 evidence missing or altered, 4 bad input.
    """
    home, drills = _opened()
    _keep(drills, drills.kill(_policy(home).kill_drill.min_open_orders))


@drill.command()
@click.argument("candidate_id")
def rollback(candidate_id: str) -> None:
    """Roll CANDIDATE_ID's deployment back at a replay broker of its own, on its newest bars.

    Its account is not touched. The receipt of what was read back is kept.

    \b
    Example:
      torghut drill rollback tsmom-megacaps-v1

    Exit status: 0 worked, 1 did not, 3 nothing deployed or evidence altered, 4 bad input.
    """
    from torghut_assets.domain.orders.policy import parse_paper_policy

    home, drills = _opened()
    deployment = _deployment(home, parse_candidate_id(candidate_id))
    paper = parse_paper_policy(home.config_path("paper_policy").read_bytes())
    _keep(drills, drills.rollback(deployment, paper, _drift_policy(home)))


@drill.command()
def alerts() -> None:
    """Post a test message to the webhook that incidents go to.

    Which environment variable holds its address is set by drift_policy.yaml (webhook).

    \b
    Example:
      torghut drill alerts

    Exit status: 0 it answered 2xx, 1 it did not or there is none, 3 evidence missing or
    altered, 4 bad input.
    """
    home, drills = _opened()
    _keep(drills, drills.alerts(_drift_policy(home)))


@drill.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--outcome", required=True, help="What was done and what came of it, in a sentence.")
@click.option("--key", "by", default=None, metavar="KEY", help="Owner or id of your key.")
def runbook(file: Path, outcome: str, by: str | None) -> None:
    """Sign that you have executed the runbook in FILE.

    Its name without the ending is the runbook's name; its bytes are named by their SHA-256. The
    passphrase comes from TORGHUT_KEY_PASSPHRASE or a prompt.

    \b
    Example:
      torghut drill runbook docs/runbooks/kill-switch.md --key "A. Reviewer" \\
        --outcome "Stopped and lifted in the staging home within two minutes."

    Exit status: 0 signed, 2 wrong usage, 3 evidence missing or altered, 4 bad input.
    """
    _, drills = _opened()
    entry = drills.sign_runbook(file, outcome, by, passphrase())
    click.echo(f"signed {file.stem} in ledger entry {entry.sequence}")


@drill.command()
def status() -> None:
    """Show the newest drill of each kind and every runbook, with their ages.

    Exit status: 0 all within ramp_policy.yaml, 1 something is missing, failed or too old,
    3 evidence missing or altered.
    """
    from torghut_assets.domain.ramp.drills import DRILLS, age_hours
    from torghut_assets.resources.clock import utc_now
    from torghut_assets.resources.ramp_desk import drills_and_runbooks

    home = Home.from_environment()
    policy, now = _policy(home), utc_now()
    drills, runbooks = drills_and_runbooks(home)
    newest = {report.drill: report for report in drills}
    fine = True
    for kind in DRILLS:
        report = newest.get(kind)
        if report is None:
            click.echo(f"{kind:<10} never")
            fine = False
            continue
        age = age_hours(report.finished_at, now)
        kept = age <= policy.drill_max_age_hours and not report.problems
        fine &= kept
        click.echo(
            f"{kind:<10} {'kept' if kept else 'not kept':<8} {age:6.1f} h of "
            f"{policy.drill_max_age_hours:g} h  {_words(report)}"
        )
    fine &= _show_runbooks(policy, {r.runbook: r for r in runbooks})
    sys.exit(0 if fine else 1)


def _show_runbooks(policy: "RampPolicy", newest: "dict[str, RunbookExecution]") -> bool:
    from torghut_assets.domain.ramp.drills import age_hours
    from torghut_assets.resources.clock import utc_now

    fine = True
    for name in policy.runbooks:
        executed = newest.get(name)
        if executed is None:
            click.echo(f"runbook    {name}: nobody has signed for it")
            fine = False
            continue
        age = age_hours(executed.executed_at, utc_now())
        fine &= age <= policy.runbook_max_age_hours
        click.echo(
            f"runbook    {name}: {age:.1f} h of {policy.runbook_max_age_hours:g} h, by "
            f"{executed.executed_by}"
        )
    return fine


def _keep(drills: "Drills", report: "DrillReport") -> None:
    entry = drills.keep(report)
    click.echo(f"{report.drill} drill: {_words(report)}")
    click.echo(f"  {report.digest} in ledger entry {entry.sequence}")
    sys.exit(1 if report.problems else 0)


def _words(report: "DrillReport") -> str:
    if report.problems:
        return "; ".join(report.problems)
    if report.kill is not None:
        return f"{report.kill.open_before} open orders to 0 in {report.kill.seconds:.2f} s"
    if report.rollback is not None:
        return (
            f"{report.rollback.held_before} holdings and {report.rollback.open_before} open orders "
            f"to what was planned in {report.rollback.seconds:.2f} s"
        )
    return "a test message was answered 2xx"


def _opened() -> "tuple[Home, Drills]":
    from torghut_assets.resources.drills import Drills

    home = Home.from_environment()
    home.prepare()
    return home, Drills(home)


def _policy(home: Home) -> "RampPolicy":
    from torghut_assets.domain.ramp.policy import parse_ramp_policy

    return parse_ramp_policy(home.config_path("ramp_policy").read_bytes())


def _drift_policy(home: Home) -> "DriftPolicy":
    from torghut_assets.domain.drift.policy import parse_drift_policy

    return parse_drift_policy(home.config_path("drift_policy").read_bytes())


def _deployment(home: Home, candidate: str) -> "PaperDeployment":
    from torghut_assets.assets.keys import PAPER_DEPLOYMENT
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.domain.orders.records import PaperDeployment
    from torghut_assets.resources.lineage import current_record

    with instance_of(home) as instance:
        found = current_record(instance, home.store, PaperDeployment, PAPER_DEPLOYMENT, candidate)
    if found is None:
        raise EvidenceError(
            f"{candidate}: it is not deployed, so there is nothing to roll back. Deploy it with: "
            f"torghut session run {candidate} --session <YYYY-MM-DD>"
        )
    return found
