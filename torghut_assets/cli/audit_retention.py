"""What may be removed, by whose word, and what was: `torghut audit retention`."""

import json
from typing import TYPE_CHECKING, Any

import click

from torghut_assets.domain.digests import is_digest
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    from torghut_assets.domain.evidence.removals import Removal


@click.group()
def retention() -> None:
    """Remove evidence whose term has passed, provably, and show what was removed.

    Three steps: `plan` says what may go, two persons approve exactly that plan with `torghut
    approve retention`, `apply` writes a tombstone for each artifact into the ledger and then
    removes it. What is deployed, what a kept decision rests on, and what is on hold stays.
    """


@retention.command()
@click.option("--kind", "kinds", multiple=True, help="Only of this kind of statement; repeatable.")
@click.option(
    "--limit",
    type=click.IntRange(1, 5_000),
    default=5_000,
    show_default=True,
    help="At most so many artifacts, those that expired first.",
)
@click.option("--json", "as_json", is_flag=True, help="One object.")
def plan(kinds: tuple[str, ...], limit: int, as_json: bool) -> None:
    """Say what may be removed now and why the rest stays; removes nothing.

    The plan is kept in the store under its digest, which is what persons approve.

    \b
    Examples:
      torghut audit retention plan
      torghut audit retention plan --kind advisory --json

    Exit status: 0 said, 3 the ledger, a register or something that is kept cannot be read, 4 no
    such kind, or the policy breaks a rule.
    """
    from torghut_assets.resources.retention_desk import RetentionDesk

    home = Home.from_environment()
    made = RetentionDesk(home).plan(kinds, limit)
    found = made.plan
    if as_json:
        document = {
            "plan_digest": found.digest if found else None,
            "policy_digest": made.policy_digest,
            "persons_required": found.persons_required if found else None,
            "items": found.model_dump(mode="json")["items"] if found else [],
            "kept": dict(made.kept),
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for item in found.items if found else ():
        kinds_of = ", ".join(each.kind for each in item.stated)
        click.echo(f"may go   {item.artifact}  {item.what} ({kinds_of})")
    for reason, count in sorted(made.kept.items()):
        click.echo(f"stays    {count}: {reason}")
    if found is None:
        click.echo("nothing may be removed now")
        return
    size = sum(item.size_bytes for item in found.items)
    click.echo(f"plan {found.digest}: {len(found.items)} artifacts, {size} bytes")
    click.echo(f"{found.persons_required} persons approve it, each with:")
    click.echo(
        f"  torghut approve retention --report {found.digest} --policy {found.policy_digest}"
    )


@retention.command()
@click.argument("plan_digest", metavar="PLAN")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def apply(plan_digest: str, as_json: bool) -> None:
    """Remove what PLAN lists, if it is approved and all of it may still go, or nothing.

    A signed tombstone for each artifact goes into the ledger before its file goes. Run it
    again after an interruption: it ends what was begun.

    \b
    Example:
      torghut audit retention apply 3f9c2a77d0e1...

    Exit status: 0 removed, 1 refused: not approved by enough persons, or something of it must
    stay, 3 evidence is missing or altered, 4 no digest of a plan.
    """
    from torghut_assets.resources.retention_desk import RetentionDesk

    if not is_digest(plan_digest):
        raise BadInputError(
            location="PLAN",
            found=ascii(plan_digest)[:80],
            expected="the digest of a plan, 64 digits: torghut audit retention plan",
        )
    done = RetentionDesk(Home.from_environment()).apply(plan_digest)
    if as_json:
        document = {
            "plan_digest": plan_digest,
            "tombstones": dict(sorted(done.tombstones.items())),
            "removed": list(done.removed),
            "held_since": list(done.held_since),
        }
        click.echo(json.dumps(document, indent=2))
        return
    for artifact in done.removed:
        click.echo(f"removed  {artifact}  tombstone {done.tombstones[artifact]}")
    for artifact in done.held_since:
        click.echo(f"stays    {artifact}  held since its tombstone {done.tombstones[artifact]}")
    click.echo(f"{len(done.removed)} artifacts removed, {len(done.tombstones)} tombstones")


@retention.command("list")
@click.option("--json", "as_json", is_flag=True, help="One object.")
def list_(as_json: bool) -> None:
    """List what was removed, each tombstone proven from ledger, approvals and plan.

    Exit status: 0 listed, 3 a tombstone is not proven, or the ledger is not whole.
    """
    from torghut_assets.resources.retention_desk import RetentionDesk

    found = RetentionDesk(Home.from_environment()).retention()
    removed = sorted(found.removed.values(), key=lambda one: one.sequence)
    if as_json:
        document = {"removed": [_plain(one) for one in removed], "holds": sorted(found.holds)}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for one in removed:
        stone = one.tombstone
        click.echo(
            f"{stone.removed.artifact}  {stone.removed.what}: {one.text}, "
            f"{one.removed_at:%Y-%m-%dT%H:%M:%SZ}"
        )
    click.echo(f"{len(removed)} artifacts removed, {len(found.holds)} holds in force")


def _plain(removal: "Removal") -> dict[str, Any]:
    return {
        "tombstone": removal.sequence,
        "removed_at": f"{removal.removed_at:%Y-%m-%dT%H:%M:%SZ}",
        **removal.tombstone.model_dump(mode="json"),
    }
