"""Trade sessions on paper, one after the other, and see what each left behind."""

import datetime as dt
import json
import sys
from typing import NamedTuple

import click

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.screen import bar
from torghut_assets.domain.errors import BadInputError, UsageError
from torghut_assets.domain.identifiers import parse_candidate_id, parse_date
from torghut_assets.domain.stages.config import ROLLBACK
from torghut_assets.resources.home import Home


class SessionResult(NamedTuple):
    """What one session of one candidate came to, each verdict computed from its record."""

    session: str
    orders: int
    fills: int
    equity_usd: float
    net_return_fraction: float
    shortfall_bps: float | None
    paper_gate: str
    drift: str
    stands_at: str
    rolled_back: bool


@click.group()
def session() -> None:
    """Trade a deployed candidate on paper, session by session."""


@session.command()
@click.argument("candidate_id")
@click.option("--session", "first", required=True, metavar="DATE", help="YYYY-MM-DD")
@click.option("--until", "last", metavar="DATE", help="Trade every session up to this one too.")
@click.option("--json", "as_json", is_flag=True, help="One object per session.")
def run(candidate_id: str, first: str, last: str | None, as_json: bool) -> None:
    """Trade CANDIDATE_ID on paper in one session, or in every session up to --until.

    Deploys the candidate first if it is not deployed yet. Sessions must be traded in order.
    A session that was traded already is left alone. If drift or the paper gate fails, the
    candidate is rolled back in the same session.

    \b
    Example:
      torghut session run tsmom-megacaps-v1 --session 2022-01-03 --until 2022-01-07

    Exit status: 0 traded, 1 refused by a guard or rolled back, 2 wrong usage, 3 evidence
    missing or altered, 4 bad input, such as a day on which the exchange is closed.
    """
    home = Home.from_environment()
    candidate = parse_candidate_id(candidate_id)
    sessions = sessions_between(first, last or first)
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.require_partition("candidate", candidate, "torghut candidate add FILE")
        with bar(candidate, len(sessions)) as progress:
            for day in sessions:
                progress.doing(day)
                result = trade(driver, candidate, day)
                progress.advance()
                progress.say(json.dumps(result._asdict()) if as_json else line(result))
                if result.rolled_back:
                    sys.exit(1)


@session.command()
@click.argument("candidate_id")
def deploy(candidate_id: str) -> None:
    """Admit CANDIDATE_ID to paper trading, on its latest passing gate decision.

    The decision is made again from its records. `torghut session run` does this by itself.

    Exit status: 0 deployed, 1 refused: no pass, overtaken, or rolled back, 3 evidence missing
    or altered, 4 bad input.
    """
    from torghut_assets.domain.orders.records import PaperDeployment

    home = Home.from_environment()
    candidate = parse_candidate_id(candidate_id)
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.require_partition("candidate", candidate, "torghut candidate add FILE")
        driver.require_admitted(candidate)
        driver.step("settings", None)
        driver.step("deployment", candidate)
        deployment = driver.require_record(PaperDeployment, "paper_deployment", candidate)
    click.echo(
        f"{candidate}: {deployment.mode} on {deployment.broker}, budget "
        f"{deployment.budget_usd:,.0f} USD, admitted on {deployment.snapshot_id}"
    )
    click.echo(f"deployment {deployment.digest}")


@session.command("roll-back")
@click.argument("candidate_id")
@click.option("--session", "day", required=True, metavar="DATE", help="YYYY-MM-DD")
def roll_back(candidate_id: str, day: str) -> None:
    """Take CANDIDATE_ID out of trading because of a report of one session that calls for it.

    Cancels open orders, closes positions as the policy says, reads back from the broker, and
    writes the incident. Run it again after an interruption: nothing is done twice. Without a
    failing report it refuses; to stop a candidate all the same there is `torghut kill`.

    Exit status: 0 the prior state was read back, 1 it is not known, or nothing calls for a
    rollback, 3 evidence missing or altered, 4 bad input.
    """
    from torghut_assets.domain.rollback.records import IncidentReport, RollbackReceipt

    home = Home.from_environment()
    candidate = parse_candidate_id(candidate_id)
    (session_day,) = sessions_between(day, day)
    partition = f"{candidate}|{session_day}"
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.require_partition("candidate", candidate, "torghut candidate add FILE")
        driver.step("settings", None)
        driver.step("rollback", partition)
        driver.settle_session(candidate, session_day)
        receipt = driver.require_record(RollbackReceipt, "rollback_receipt", partition)
        incident = driver.require_record(IncidentReport, "incident_report", partition)
    click.echo(f"{candidate} in {session_day}: {receipt.state}")
    for problem in (*receipt.differences, *receipt.problems):
        click.echo(f"  {problem}")
    click.echo(f"incident class {incident.incident_class}: {incident.corrective_action}")
    sys.exit(0 if receipt.state == "restored" else 1)


def sessions_between(first: str, last: str) -> tuple[str, ...]:
    """Return the sessions of the New York Stock Exchange in a window, both ends included.

    Raises
    ------
    InvalidIdentifierError, BadInputError
        If a date is not one, or the exchange does not trade on one of the ends.
    UsageError
        If the window ends before it begins.
    """
    from torghut_assets.domain.snapshots.calendar import load_sessions

    start = parse_date(first, location="--session")
    end = parse_date(last, location="--until")
    if end < start:
        raise UsageError(f"--until {last} is before --session {first}.")
    found = tuple(str(day) for day in load_sessions("XNYS", start, end).dates)
    for day in (start, end):
        if day.isoformat() not in found:
            raise BadInputError(
                location="session",
                found=day.isoformat(),
                expected="a day on which the exchange XNYS trades",
                action=_nearest(day),
            )
    return found


def _nearest(day: dt.date) -> str:
    from torghut_assets.domain.snapshots.calendar import load_sessions

    after = load_sessions("XNYS", day, day + dt.timedelta(days=10)).dates
    return f"The next one is {after[0]}." if len(after) else ""


def trade(driver: Driver, candidate: str, day: str) -> SessionResult:
    """Trade one session and decide the stages that it decides; roll back if they say so."""
    from torghut_assets.domain.drift.records import DriftReport
    from torghut_assets.domain.gates.paper_records import PaperGateReport
    from torghut_assets.domain.orders.records import PaperFills
    from torghut_assets.domain.tca.records import PaperTca

    partition = f"{candidate}|{day}"
    driver.open_session(day)
    driver.step("settings", None)
    driver.step("deployment", candidate)
    _decide_again_if_blocked(driver, partition)
    driver.step("session", partition)
    driver.settle_session(candidate, day)
    if driver.stands_at(candidate) == ROLLBACK:
        driver.step("rollback", partition)
        driver.settle_session(candidate, day)
    fills = driver.require_record(PaperFills, "paper_fills", partition)
    tca = driver.require_record(PaperTca, "paper_tca", partition)
    gate = driver.require_record(PaperGateReport, "paper_gate_report", partition)
    drift = driver.require_record(DriftReport, "drift_report", partition)
    return SessionResult(
        session=day,
        orders=len(fills.orders),
        fills=len(fills.fills),
        equity_usd=fills.equity_after_usd,
        net_return_fraction=fills.net_return_fraction,
        shortfall_bps=tca.shortfall_bps,
        paper_gate=gate.verdict.value,
        drift=drift.level.value,
        stands_at=driver.stands_at(candidate),
        rolled_back=driver.was_made("incident_report", partition),
    )


def _decide_again_if_blocked(driver: Driver, partition: str) -> None:
    """Decide a session anew that was blocked before anything was sent.

    What blocked it may be gone, bars that came late for example, and no input of the intents shows
    that: they are up to date by their lineage.
    """
    from torghut_assets.domain.orders.records import OrderIntents
    from torghut_assets.domain.verdicts import Verdict

    made = driver.was_made("order_intents", partition)
    if not made or driver.was_made("paper_orders", partition):
        return
    intents = driver.require_record(OrderIntents, "order_intents", partition)
    if intents.blocked_by or intents.parity_verdict is not Verdict.PASS:
        driver.make_again("session", "order_intents", partition)


def line(result: "SessionResult") -> str:
    """Return one session as a line of 80 columns."""
    shortfall = "-" if result.shortfall_bps is None else f"{result.shortfall_bps:.1f}"
    return (
        f"{result.session} {result.orders:>2} orders {result.fills:>2} fills "
        f"{100 * result.net_return_fraction:>+6.2f}% {shortfall:>6} bps "
        f"gate {result.paper_gate:<12} drift {result.drift}"
    )
