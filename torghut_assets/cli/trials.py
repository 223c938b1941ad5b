"""Commands about the trial register: list, count, verify, acknowledge."""

from typing import TYPE_CHECKING

import click

from torghut_assets.cli.screen import counted, say
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    from torghut_assets.domain.backtest.register_checks import RegisterFinding
    from torghut_assets.resources.trial_register import TrialRegister


@click.group()
def trials() -> None:
    """Show, count and verify the trials behind every candidate."""


def register_of(home: Home) -> "TrialRegister":
    """Return the home's trial register under the trial policy in force."""
    from torghut_assets.domain.backtest.trial_policy import parse_trial_policy
    from torghut_assets.resources.trial_register import TrialRegister

    path = home.config_path("trial_policy")
    policy = parse_trial_policy(path.read_bytes(), location=path.name)
    return TrialRegister(home.trial_register_path, home.trial_anchor_path, policy)


@trials.command("list")
@click.option("--family", default=None, help="Only tickets of this strategy type.")
def list_tickets(family: str | None) -> None:
    """List all tickets: number, time, candidate, snapshot, step, grid points, how it ended.

    `again` marks a ticket that computed once more what an earlier one had computed; it is
    no new trial.

    Exit status: 0 listed, 3 the register is not whole.
    """
    from torghut_assets.domain.backtest.trials import TrialOutcome, TrialTicket

    entries = register_of(Home.from_environment()).entries()
    ended = {e.ticket_sequence: e.status for e in entries if isinstance(e, TrialOutcome)}
    seen: set[str] = set()
    for entry in entries:
        if not isinstance(entry, TrialTicket):
            continue
        trial = entry.trial
        again = "  again" if trial.evaluation_digest in seen else ""
        seen.add(trial.evaluation_digest)
        if family in (None, trial.family):
            say(
                f"{entry.sequence:6d}  {entry.recorded_at:%Y-%m-%d %H:%M:%S}  "
                f"{trial.inputs.candidate_id}  {trial.inputs.snapshot_id}  {trial.purpose}  "
                f"{trial.grid_points} points  {ended.get(entry.sequence, 'open')}{again}"
            )


@trials.command()
@click.argument("candidate")
def count(candidate: str) -> None:
    """Count the trials behind CANDIDATE, with its family and its ancestors.

    \b
    Example:
      torghut trials count tsmom-megacaps-v1

    Exit status: 0 counted, 3 never evaluated or the register is not whole, 4 no such id.
    """
    from torghut_assets.domain.identifiers import parse_candidate_id

    register = register_of(Home.from_environment())
    found = register.count(parse_candidate_id(candidate))
    click.echo(f"{candidate}: N = {found.raw}")
    points, backtests = found.registered_trials, found.backtests
    click.echo(f"  {counted(points, 'grid point')} in {counted(backtests, 'evaluation')}")
    click.echo(f"  {found.own_trials} of them its own, {found.ancestor_trials} of its ancestors")
    click.echo(f"  {found.abandoned} evaluations were never finished; they count")
    click.echo(f"  {found.declared_outside} declared as made outside")
    click.echo(f"  {found.repeats} tickets computed the same again; they do not count")
    click.echo(f"  {found.unattributed_trials} unfinished ones of other families, not added")
    click.echo(f"  {counted(found.holdout_looks, 'look')} at a final holdout")
    say(f"  register entry {found.head_sequence}, {found.head_digest}")
    for member in found.members:
        click.echo(f"  family: {member.candidate_id} ({member.reason})")


@trials.command()
@click.option("--strict", is_flag=True, help="Exit with 3 on notices, too.")
def verify(strict: bool) -> None:
    """Verify the register, its anchor, and every number of trials in the store.

    Recomputes each digest and link, compares the head with the anchor, and counts again
    what stored records say about trials.

    Exit status: 0 whole (notices are shown), 3 broken, suspect, or unreadable.
    """
    from torghut_assets.resources.trial_claims import verify_claims

    home = Home.from_environment()
    register = register_of(home)
    findings = list(register.verify())
    if not any(finding.severity == "broken" for finding in findings):
        findings += verify_claims(register, home.store)
    for finding in findings:
        _show(finding)
    worst = [f for f in findings if strict or f.severity != "notice"]
    if worst:
        raise EvidenceError(
            f"trial register {home.trial_register_path}: {counted(len(worst), 'finding')}, see "
            "above. docs/trials.md says what each of them means and what to do."
        )
    say(f"trial register: {len(register.entries())} entries, whole and anchored")


@trials.command()
@click.argument("sequence", type=click.IntRange(min=1))
@click.option("--by", required=True, help="Who answers for it.")
@click.option("--reason", required=True, help="Why, in at least 10 characters.")
def acknowledge(sequence: int, by: str, reason: str) -> None:
    """Answer for the relocation in entry SEQUENCE, e.g. after restoring a backup.

    The answer becomes an entry of the register, for good.

    \b
    Example:
      torghut trials acknowledge 41 --by "A. Operator" --reason "moved to the new disk"

    Exit status: 0 written, 3 the register is not whole, 4 not a relocation.
    """
    entry = register_of(Home.from_environment()).acknowledge(sequence, by=by, reason=reason)
    click.echo(f"entry {entry.sequence}: {by} answers for entry {sequence}")


def _show(finding: "RegisterFinding") -> None:
    say(f"{finding.severity}: entry {finding.sequence}: {finding.code}: {finding.detail}")
