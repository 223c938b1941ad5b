"""The kill switch: stop orders at once, and see what is stopped.

Everything that is not needed to stop comes after stopping and may fail without undoing it.
"""

import sys
from typing import TYPE_CHECKING, Final

import click

from torghut_assets.domain.errors import EvidenceError, TorghutError, UsageError
from torghut_assets.domain.identifiers import parse_candidate_id
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home
from torghut_assets.resources.kill_switch import KillSwitch

if TYPE_CHECKING:
    from torghut_assets.domain.orders.kill import KillLatch
    from torghut_assets.resources.brokers.interface import Broker

_EXIT: Final = {"clear": 0, "engaged": 1, "unreadable": 3}


class KillIncompleteError(EvidenceError):
    """New orders are blocked, but not every open order is known to be cancelled."""

    def __init__(self, failures: list[str]) -> None:
        self.failures = failures
        super().__init__(
            f"new orders are blocked, but {'; '.join(failures)}. Cancel at the broker by hand, or "
            "run the same command again."
        )


@click.group(invoke_without_command=True)
@click.option("--all", "everyone", is_flag=True, help="Stop every candidate.")
@click.option("--candidate", "candidate_id", metavar="ID", help="Stop one candidate.")
@click.option("--reason", help="Why; it is kept in the latch.")
@click.pass_context
def kill(
    context: click.Context, everyone: bool, candidate_id: str | None, reason: str | None
) -> None:
    """Stop: block new orders, cancel the open ones, freeze promotion. No question is asked.

    The block is a file that every order path reads first; it holds with the databases down.
    It is lifted only by a signed approval of exactly this latch (`torghut kill status`).

    \b
    Examples:
      torghut kill --all --reason "prices look wrong"
      torghut kill --candidate tsmom-megacaps-v1 --reason "drift"

    Exit status: 0 blocked and nothing open, 2 wrong usage, 3 blocked, but an open order may be
    left, 4 not blocked: the latch could not be written.
    """
    if context.invoked_subcommand is not None:
        return
    if everyone == (candidate_id is not None):
        raise UsageError("kill: name what to stop, either --all or --candidate ID.")
    if reason is None or len(reason.strip()) < 3:
        raise UsageError("--reason: say why, in at least three characters.")
    scope = parse_candidate_id(candidate_id) if candidate_id is not None else None
    home = Home.from_environment()
    switch = KillSwitch(home)
    failures: list[str] = []
    latch = switch.write(scope, reason)
    click.echo(f"blocked: {scope or 'every candidate'}, latch {latch.sequence} {latch.digest}")
    try:
        switch.drain()
    except OSError as error:
        failures.append(f"an order may still be on its way ({error})")
    cancelled = _cancel(home, switch, scope, latch.reason, failures)
    click.echo(f"cancelled: {cancelled} open orders")
    _keep(home, latch, failures)
    if failures:
        raise KillIncompleteError(failures)


@kill.command()
def status() -> None:
    """Show every latch, and how each is lifted.

    Exit status: 0 nothing is blocked, 1 something is, 3 the latches cannot be read, which
    blocks everything.
    """
    from torghut_assets.domain.orders.kill import kind_that_lifts

    home = Home.from_environment()
    found = KillSwitch(home).reading(None)
    for latch, state in (
        *((latch, "lifted") for latch in found.lifted),
        *((latch, "blocks") for latch in found.engaged),
    ):
        whom = latch.candidate_id or "every candidate"
        click.echo(
            f"{latch.sequence:>4}  {state}  {whom}  {latch.engaged_at}  {latch.cause}  "
            f"by {latch.actor}: {latch.reason}"
        )
        if state == "blocks":
            kind = kind_that_lifts(latch)
            whose = f" {latch.candidate_id}" if latch.candidate_id else ""
            click.echo(f"      lift it: torghut approve {kind}{whose} --latch {latch.sequence}")
    click.echo(f"{found.state}: {found.detail}")
    sys.exit(_EXIT[found.state])


def _cancel(
    home: Home, switch: KillSwitch, scope: str | None, reason: str, failures: list[str]
) -> int:
    """Cancel open orders at every broker; what cannot be done is added to `failures`."""
    from torghut_assets.resources.brokers.routing import OrderDesk
    from torghut_assets.resources.order_journal import OrderJournal

    at = f"{utc_now():%Y-%m-%dT%H:%M:%SZ}"
    journal = OrderJournal(home)
    cancelled = 0
    for account, broker in _accounts(home, scope, failures):
        try:
            before = len(broker.open_orders())
            broker.cancel_all()
            left = len(broker.open_orders())
        except TorghutError as error:
            failures.append(f"{broker.name} account {account}: {error}")
            continue
        cancelled += before - left
        if left:
            failures.append(f"{broker.name} account {account} has {left} open orders left")
        try:
            OrderDesk(journal, broker, switch).cancel_open(account, reason, at)
        except (TorghutError, OSError) as error:
            failures.append(f"the journal does not say so yet ({error})")
    return cancelled


def _accounts(home: Home, scope: str | None, failures: list[str]) -> "list[tuple[str, Broker]]":
    """Every account that may have open orders: found without the journal or Dagster."""
    from torghut_assets.domain.orders.policy import parse_paper_policy
    from torghut_assets.resources.brokers.replay import ReplayBroker, replay_accounts

    found: list[tuple[str, Broker]] = []
    try:
        for account in replay_accounts(home.replay_broker_path):
            if scope in (None, account):
                found.append((account, ReplayBroker(home.replay_broker_path, account)))
    except TorghutError as error:
        failures.append(str(error))
    try:
        policy = parse_paper_policy(home.config_path("paper_policy").read_bytes())
        if policy.broker == "alpaca-paper":
            from torghut_assets.resources.brokers.alpaca import AlpacaPaperBroker

            found.append((scope or "", AlpacaPaperBroker.from_environment()))
    except (TorghutError, OSError) as error:
        failures.append(str(error))
    return found


def _keep(home: Home, latch: "KillLatch", failures: list[str]) -> None:
    """Store the latch and the limits in force, which an approval names by digest."""
    from torghut_assets.domain.orders.limits import parse_order_limits

    try:
        home.store.put(latch.canonical_bytes())
        limits = parse_order_limits(home.config_path("order_limits").read_bytes())
        home.store.put(limits.canonical_bytes())
    except (TorghutError, OSError) as error:
        failures.append(f"the latch is not in the store yet ({error})")
