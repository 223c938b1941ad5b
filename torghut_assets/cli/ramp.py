"""The live ramp from a shell: what a step would be, sign it, take it, hand it over."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from torghut_assets.cli.keys import passphrase
from torghut_assets.domain.errors import BadInputError, EvidenceError, StageRefusedError
from torghut_assets.domain.identifiers import parse_candidate_id, parse_date
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    import dagster as dg

    from torghut_assets.cli.driver import Driver
    from torghut_assets.domain.ramp.policy import RampStageName
    from torghut_assets.domain.ramp.records import RampRequest, RampStage, ReadinessGate
    from torghut_assets.resources.ramp_desk import Presented

_SHOWN = 110


class StepRefusedError(StageRefusedError):
    """There is no step to review or to hand over; the reasons say why, each with its code."""

    def __init__(self, subject: str, reasons: list[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(f"{subject}: {'; '.join(reasons)}")


class _Asked(NamedTuple):
    """A step as it would be today: its stage, the request or why there is none, the gates."""

    stage: "RampStageName"
    request: "RampRequest | None"
    gates: "tuple[ReadinessGate, ...]"
    refusals: tuple[str, ...]


@click.group()
def ramp() -> None:
    """Give a candidate that proved itself on paper capital, one signed step at a time.

    No order is sent from here: a granted step ends in a deployment manifest. Live trading is off
    unless ramp_policy.yaml says otherwise.
    """


@ramp.command()
@click.argument("candidate_id")
@click.option("--session", required=True, metavar="DATE", help="The newest session, YYYY-MM-DD.")
def request(candidate_id: str, session: str) -> None:
    """Show the step that CANDIDATE_ID could take after a session, and what stands before it.

    The request is kept; its digest is what persons approve.

    \b
    Example:
      torghut ramp request tsmom-megacaps-v1 --session 2022-03-31

    Exit status: 0 shown and nothing but approvals is missing, 1 something else stands before it,
    2 wrong usage, 3 evidence missing or altered, 4 bad input.
    """
    asked = _ask(*_parsed(candidate_id, session))
    if asked.request is None:
        raise StepRefusedError(f"{candidate_id}|{session}", list(asked.refusals))
    _show(asked.request)
    reasons = _show_gates(asked.gates)
    sys.exit(0 if reasons <= {"APPROVALS_MISSING"} else 1)


@ramp.command()
@click.argument("candidate_id")
@click.option("--session", required=True, metavar="DATE", help="As of the request, YYYY-MM-DD.")
@click.option("--request", "digest", required=True, help="Digest of the request you reviewed.")
@click.option("--key", "by", default=None, metavar="KEY", help="Owner or id of your key.")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True, max=336),
    default=24.0,
    show_default=True,
    help="For how long the approval may be used.",
)
def approve(candidate_id: str, session: str, digest: str, by: str | None, hours: float) -> None:
    """Sign the step of CANDIDATE_ID that you have reviewed, with every limit of its card.

    The same as `torghut approve ramp` with all its options filled in. Refused if the step is
    not the one that you name any more. The passphrase comes from TORGHUT_KEY_PASSPHRASE or a
    prompt.

    \b
    Example:
      torghut ramp approve tsmom-megacaps-v1 --session 2022-03-31 --request <digest> \\
        --key "A. Reviewer"

    Exit status: 0 signed, 1 the approval would not count or the step has changed, 2 wrong usage,
    3 evidence missing or altered, 4 bad input.
    """
    from torghut_assets.resources.signing_desk import SigningDesk

    home, candidate, day = _parsed(candidate_id, session)
    asked = _ask(home, candidate, day)
    found = asked.request.digest if asked.request is not None else "; ".join(asked.refusals)
    if asked.request is None or found != digest:
        raise StepRefusedError(
            f"{candidate}|{day}",
            [f"NOT_AS_REVIEWED you name request {digest}, it is now {found}"],
        )
    entry = SigningDesk(home).approve(asked.request.decision, by, passphrase(), hours)
    record = entry.statement.predicate.record
    click.echo(f"approved {digest} in ledger entry {entry.sequence}")
    click.echo(f"  by {record['approver']}, until {record['expires_at']}")


@ramp.command()
@click.argument("candidate_id")
@click.option("--session", required=True, metavar="DATE", help="As of the request, YYYY-MM-DD.")
def advance(candidate_id: str, session: str) -> None:
    """Take the step of CANDIDATE_ID if both gates pass and enough persons have signed.

    Makes ramp_stage_1 and, above the canary, ramp_stage_2_plus for the session, and decides the
    stage. Uses the approvals up. Again is harmless: what was granted stays as it was.

    \b
    Example:
      torghut ramp advance tsmom-megacaps-v1 --session 2022-03-31

    Exit status: 0 a step was granted in this session, 1 not, with the reasons, 2 wrong usage,
    3 evidence missing or altered, 4 bad input.
    """
    from torghut_assets.cli.driver import Driver
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.domain.ramp.records import RampStage

    home, candidate, day = _parsed(candidate_id, session)
    partition = f"{candidate}|{day}"
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.require_partition("candidate", candidate, "torghut candidate add FILE")
        driver.require_partition("session", day, f"torghut session run {candidate} --session {day}")
        driver.step("settings", None)
        granted = _climb(driver, partition)
        driver.settle_session(candidate, day)
        records = [
            record
            for name in ("ramp_stage_1", "ramp_stage_2_plus")
            if (record := driver.record(RampStage, name, partition)) is not None
        ]
        stands_at = driver.stands_at(candidate)
    for record in records:
        _show_stage(record)
    click.echo(f"stands at {stands_at}")
    sys.exit(0 if granted else 1)


@ramp.command()
@click.argument("candidate_id")
@click.option("--session", required=True, metavar="DATE", help="Of the grant, YYYY-MM-DD.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new file.")
def manifest(candidate_id: str, session: str, out: Path) -> None:
    """Write the deployment manifest of a granted step to a new file.

    It is the file whose SHA-256 stands in the signed statement. An existing file is left alone.

    \b
    Example:
      torghut ramp manifest tsmom-megacaps-v1 --session 2022-03-31 --out deploy/tsmom.yaml

    Exit status: 0 written, 1 nothing was granted in that session, 2 wrong usage, 3 evidence
    missing or altered, 4 bad input, such as a file that exists.
    """
    from torghut_assets.resources.new_files import write_new
    from torghut_assets.resources.ramp_desk import RampDesk

    home, candidate, day = _parsed(candidate_id, session)
    grant = RampDesk(home).grant_of(candidate, day)
    if grant is None:
        raise StepRefusedError(
            f"{candidate}|{day}", ["NOT_GRANTED no step was granted in this session"]
        )
    payload = home.store.get(grant.manifest_digest)
    try:
        write_new(out, payload)
    except FileExistsError as error:
        raise BadInputError(
            location="--out", found=f"the file {out}", expected="a name that is not taken"
        ) from error
    click.echo(f"{grant.manifest_digest}  {out}")


@ramp.command()
@click.argument("file", type=click.Path(path_type=Path))
def verify(file: Path) -> None:
    """Compare a manifest FILE with the signed ledger, and say if it is the one in force.

    \b
    Example:
      torghut ramp verify deploy/tsmom.yaml

    Exit status: 0 granted and in force, 1 granted and overtaken since, 3 no signed statement is
    about these bytes, or its approvals do not count any more, 4 bad input.
    """
    from torghut_assets.domain.digests import sha256_hex
    from torghut_assets.domain.ramp.manifest import read_manifest
    from torghut_assets.resources.candidate_files import read_submission
    from torghut_assets.resources.ramp_desk import RampDesk

    home = Home.from_environment()
    payload = read_submission(file)
    document = read_manifest(payload, location=str(file))
    name = str((document.get("metadata") or {}).get("name"))
    desk, digest = RampDesk(home), sha256_hex(payload)
    grant = desk.grant_with_manifest(digest)
    if grant is None:
        raise EvidenceError(f"{file}: sha256 {digest} is in no signed statement of this ledger.")
    persons = desk.approvers_of(grant)
    click.echo(
        f"{name}: {grant.level_from} -> {grant.level_to}, {grant.notional_after_usd:.2f} USD, "
        f"approved by {', '.join(persons)}"
    )
    newest = desk.grant_of(grant.candidate_id)
    if newest is None or newest.digest != grant.digest:
        click.echo("overtaken by a later grant", err=True)
        sys.exit(1)


@ramp.command()
@click.argument("candidate_id")
def status(candidate_id: str) -> None:
    """Show the level of CANDIDATE_ID and the signatures that it rests on.

    Exit status: 0 shown, 3 evidence missing or altered, 4 bad input.
    """
    from torghut_assets.resources.ramp_desk import RampDesk

    desk = RampDesk(Home.from_environment())
    grant = desk.grant_of(parse_candidate_id(candidate_id))
    if grant is None:
        click.echo(f"{candidate_id}: L0, no capital was ever granted")
        return
    click.echo(
        f"{candidate_id}: {grant.level_to} since {grant.session}, "
        f"{grant.notional_after_usd:.2f} USD, by {', '.join(desk.approvers_of(grant))}"
    )
    click.echo(f"  manifest {grant.manifest_digest}")


def _parsed(candidate_id: str, session: str) -> tuple[Home, str, str]:
    day = parse_date(session, location="--session").isoformat()
    return Home.from_environment(), parse_candidate_id(candidate_id), day


def _climb(driver: "Driver", partition: str) -> bool:
    """Make the ramp's records of a session; return whether a step was granted in it."""
    from torghut_assets.domain.ramp.records import RampStage

    driver.step("ramp", partition, through="ramp_stage_1")
    first = driver.record(RampStage, "ramp_stage_1", partition)
    if first is None:
        raise EvidenceError(f"{partition}: ramp_stage_1 was not made; see its run.")
    if first.level_from == "L0":
        return first.advanced
    driver.step("ramp", partition)
    second = driver.record(RampStage, "ramp_stage_2_plus", partition)
    return second is not None and second.advanced


def _ask(home: Home, candidate: str, session: str) -> _Asked:
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.resources.ramp_desk import RampDesk

    with instance_of(home) as instance:
        desk = RampDesk(home)
        given = _given(home, instance, candidate, session)
        stage = desk.stage_of(given)
        return _Asked(stage, *desk.request(instance, session, stage, given))


def _given(home: Home, instance: "dg.DagsterInstance", candidate: str, session: str) -> "Presented":
    """Read what the ramp asset would be given."""
    from torghut_assets.assets.keys import PAPER_DEPLOYMENT, PAPER_GATE_REPORT
    from torghut_assets.domain.gates.paper_records import PaperGateReport
    from torghut_assets.domain.orders.limits import parse_order_limits
    from torghut_assets.domain.orders.records import PaperDeployment
    from torghut_assets.domain.ramp.policy import parse_ramp_policy
    from torghut_assets.resources.lineage import current_record
    from torghut_assets.resources.ramp_desk import Presented

    partition = f"{candidate}|{session}"
    deployment = current_record(instance, home.store, PaperDeployment, PAPER_DEPLOYMENT, candidate)
    report = current_record(instance, home.store, PaperGateReport, PAPER_GATE_REPORT, partition)
    if deployment is None or report is None:
        raise EvidenceError(
            f"{partition}: this session was not traded. Trade it with: torghut session run "
            f"{candidate} --session {session}"
        )
    return Presented(
        deployment,
        report,
        parse_order_limits(home.config_path("order_limits").read_bytes()),
        parse_ramp_policy(home.config_path("ramp_policy").read_bytes()),
    )


def _show(asked: "RampRequest") -> None:
    card = asked.limit_card
    click.echo(f"request {asked.digest}")
    click.echo(
        f"  {asked.stage}: {asked.level_from} -> {asked.level_to}, "
        f"{asked.notional_before_usd:.2f} -> {asked.notional_after_usd:.2f} USD"
    )
    click.echo(f"  instruments {', '.join(card.instruments)}; venues {', '.join(card.venues)}")
    for limit in asked.decision.limits:
        click.echo(f"  {limit.name} {limit.value:g}")
    for ref in asked.reviewed:
        click.echo(f"  {ref.name} {ref.digest}")


def _show_gates(gates: "tuple[ReadinessGate, ...]") -> set[str]:
    """Print what stands before the step, gate 5 first; return the codes."""
    codes: set[str] = set()
    for gate in sorted(gates, key=lambda g: g.gate_id, reverse=True):
        click.echo(f"{gate.gate_id}: {gate.verdict.value}")
        for reason in gate.reasons:
            codes.add(reason.code)
            click.echo(f"  {reason.code} {reason.text[:_SHOWN]}")
    return codes


def _show_stage(record: "RampStage") -> None:
    click.echo(
        f"{record.stage}: {record.level_from} -> {record.level_to}, "
        f"{record.notional_after_usd:.2f} USD"
    )
    for text in record.refusals:
        click.echo(f"  {text[:_SHOWN]}")
    if not record.advanced:
        _show_gates(record.gates)
