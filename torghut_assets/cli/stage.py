"""Commands about stages: where candidates stand, how they got there, what a stage finds now."""

import json
import sys

import click

from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.screen import say
from torghut_assets.definitions import stage_desk
from torghut_assets.domain.errors import UsageError
from torghut_assets.domain.identifiers import parse_candidate_id, parse_date, parse_snapshot_id
from torghut_assets.domain.stages.config import STAGES
from torghut_assets.domain.stages.evidence import Finding, Outcome, outcome_of
from torghut_assets.domain.stages.machine import findings_of, stand
from torghut_assets.domain.stages.receipts import StageReceipt
from torghut_assets.resources.home import Home
from torghut_assets.resources.stage_desk import Subject

_EXIT = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.INCONCLUSIVE: 1, Outcome.MISSING: 3}


@click.group()
def stage() -> None:
    """Show where candidates stand, by their receipts, and test a stage's conditions."""


@stage.command()
@click.argument("candidate_id", required=False)
def status(candidate_id: str | None) -> None:
    """Show where CANDIDATE_ID stands, or every candidate that has receipts.

    The state is computed from the receipts each time; nothing else holds it.

    Exit status: 0 done, 3 the receipts are altered or there are none of the candidate.
    """
    desk = stage_desk(Home.from_environment())
    receipts = desk.book.receipts()
    wanted = [parse_candidate_id(candidate_id)] if candidate_id else []
    for name in wanted or sorted({r.decision.candidate_id for r in receipts}):
        own = _receipts_of(name, receipts)
        standing = stand(desk.pipeline, own)
        last = own[-1]
        line = desk.line_of(name, last.decision.parent, receipts)
        frozen = "  frozen" if line.is_frozen else ""
        held = f"  {last.decision.held_because}" if last.decision.held_because else ""
        say(
            f"{name}  {standing.stage}  after {last.decision.stage} {last.outcome.value}"
            f"  receipt {last.sequence}{held}{frozen}"
        )


@stage.command()
@click.argument("candidate_id")
@click.option("--json", "as_json", is_flag=True, help="One receipt per line, as stored.")
def history(candidate_id: str, as_json: bool) -> None:
    """List the receipts of CANDIDATE_ID, oldest first.

    Exit status: 0 done, 3 the receipts are altered or there are none of the candidate.
    """
    desk = stage_desk(Home.from_environment())
    own = _receipts_of(parse_candidate_id(candidate_id), desk.book.receipts())
    stand(desk.pipeline, own)
    for receipt in own:
        if as_json:
            click.echo(receipt.canonical_bytes().decode("utf-8"))
            continue
        decision = receipt.decision
        about = f" on {decision.snapshot_id}" if decision.snapshot_id else ""
        say(
            f"{receipt.sequence:>5}  {receipt.recorded_at:%Y-%m-%dT%H:%M:%SZ}  {decision.stage}"
            f"{about}: {receipt.outcome.value} -> {decision.to_stage}  "
            f"{receipt.digest[:16]}  by {receipt.actor}"
        )
        if decision.superseded or decision.held_because:
            say(f"         {decision.superseded or decision.held_because}")
        for side, finding in findings_of(decision):
            if finding.outcome is not Outcome.PASS:
                say(f"         {side} {finding.condition}: {finding.outcome.value}")


@stage.command()
@click.argument("stage_name", metavar="STAGE")
@click.option("--candidate", "candidate_id", required=True, metavar="ID")
@click.option("--snapshot", "snapshot_id", metavar="ID", help="<universe>@<as-of date>")
@click.option("--session", metavar="DATE", help="YYYY-MM-DD, for the stages that trade.")
@click.option("--json", "as_json", is_flag=True, help="One object with every finding.")
def validate(
    stage_name: str,
    candidate_id: str,
    snapshot_id: str | None,
    session: str | None,
    as_json: bool,
) -> None:
    """Judge the pre- and postconditions of STAGE on the real records. Writes no receipt.

    \b
    Example:
      torghut stage validate backtest_robustness --candidate tsmom-megacaps-v1 \\
        --snapshot us-megacaps@2021-12-31

    Exit status: 0 all hold, 1 one fails, is inconclusive, or the stage is not active, 2 wrong
    usage, 3 evidence missing or altered, 4 bad input.
    """
    if stage_name not in STAGES:
        raise UsageError(f"STAGE: found {stage_name!a}, expected one of {', '.join(STAGES)}.")
    home = Home.from_environment()
    candidate = parse_candidate_id(candidate_id)
    snapshot = str(parse_snapshot_id(snapshot_id)) if snapshot_id else None
    day = parse_date(session, location="--session").isoformat() if session else None
    with instance_of(home) as instance:
        sides = stage_desk(home).examine(instance, stage_name, Subject(candidate, snapshot, day))
    outcome = outcome_of(tuple(finding for findings in sides.values() for finding in findings))
    if as_json:
        document = {
            "stage": stage_name,
            "candidate": candidate,
            "snapshot": snapshot,
            "session": day,
            "outcome": outcome.value,
            **{
                side: [finding.model_dump(mode="json") for finding in findings]
                for side, findings in sides.items()
            },
        }
        click.echo(json.dumps(document, indent=2))
    else:
        for side, findings in sides.items():
            for finding in findings:
                _print(side, finding)
        click.echo(f"{stage_name} of {candidate}: {outcome.value}")
    sys.exit(_EXIT[outcome])


def _print(side: str, finding: Finding) -> None:
    say(f"{finding.outcome.value:<12}  {side} {finding.condition}: {finding.detail}", hanging=16)
    for ref in finding.looked_at:
        say(f"{'':<12}    {ref.name} {ref.digest}")


def _receipts_of(candidate: str, receipts: tuple[StageReceipt, ...]) -> list[StageReceipt]:
    from torghut_assets.domain.errors import EvidenceError

    own = [r for r in receipts if r.decision.candidate_id == candidate]
    if not own:
        raise EvidenceError(
            f"{candidate}: no stage was ever decided. Evaluate it with: torghut run {candidate} "
            "--snapshot <universe>@<as-of date>"
        )
    return own
