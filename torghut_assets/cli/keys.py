"""Commands about keys: who may sign what, since when, and until when."""

import json
import sys
from typing import TYPE_CHECKING

import click

from torghut_assets.domain.errors import UsageError
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    from torghut_assets.domain.evidence.statement import Role
    from torghut_assets.resources.signing_desk import SigningDesk


def desk_of(home: Home) -> "SigningDesk":
    """Return the desk where persons sign in a home."""
    from torghut_assets.resources.signing_desk import SigningDesk

    home.prepare()
    return SigningDesk(home)


def passphrase(*, confirm: bool = False) -> bytes:
    """Return the passphrase of a person's key, from the environment or a prompt.

    Raises
    ------
    UsageError
        If it is not in the environment and there is nobody to ask.
    """
    from torghut_assets.resources.key_ring import PASSPHRASE_VARIABLE, passphrase_in_environment

    if (found := passphrase_in_environment()) is not None:
        return found
    if not sys.stdin.isatty():
        raise UsageError(
            f"{PASSPHRASE_VARIABLE}: found nothing, and no terminal to ask at; set it, or run the "
            "command at a terminal. A passphrase is never an argument."
        )
    entered: str = click.prompt(
        "Passphrase of the key", hide_input=True, confirmation_prompt=confirm, err=True
    )
    return entered.encode("utf-8")


@click.group()
def keys() -> None:
    """Make, introduce, list and revoke the keys that sign evidence.

    The runner's and the gate's keys are made at their first use. A person's key is encrypted
    with a passphrase, from TORGHUT_KEY_PASSPHRASE or a prompt; it is never an argument.
    """


@keys.command()
@click.option("--owner", required=True, help="Whose key it is, as in an approval.")
@click.option(
    "--role",
    type=click.Choice(["person", "runner", "gate"]),
    default="person",
    show_default=True,
    help="A further runner or gate key is for a second machine, or after a revocation.",
)
def new(owner: str, role: "Role") -> None:
    """Make a key. The first person's key counts at once; every other must be introduced.

    \b
    Example:
      torghut keys new --owner "A. Reviewer"

    Exit status: 0 made, 2 no passphrase, 3 the ledger is not whole, 4 bad owner or passphrase.
    """
    desk = desk_of(Home.from_environment())
    secret = passphrase(confirm=True) if role == "person" else None
    key_id, counts = desk.new_key(role, owner, secret)
    click.echo(f"{key_id}  {role}  {owner}")
    if counts:
        click.echo("registered: the first person of this ledger, trusted from now on")
    else:
        click.echo(f"waits for a person: torghut keys introduce {key_id[:16]}")


@keys.command()
@click.argument("key")
@click.option("--by", default=None, metavar="KEY", help="Owner or id of the introducing key.")
def introduce(key: str, by: str | None) -> None:
    """Sign the registration of the waiting key KEY with a person's key.

    \b
    Example:
      torghut keys introduce 3f9c2a77d0e1b2c4 --by "A. Reviewer"

    Exit status: 0 registered, 2 no passphrase, 3 not whole or refused, 4 no such key.
    """
    entry = desk_of(Home.from_environment()).introduce(key, by, passphrase())
    click.echo(f"registered in ledger entry {entry.sequence}")


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="One object with every key.")
def list_keys(as_json: bool) -> None:
    """List the keys that the ledger knows, and those that wait here to be introduced.

    Exit status: 0 listed, 3 the ledger is not whole.
    """
    from torghut_assets.resources.key_ring import KeyFolder

    home = Home.from_environment()
    ring = desk_of(home).ledger.ring()
    waiting = sorted(set(KeyFolder(home).requests()) - {key.key_id for key in ring.keys})
    if as_json:
        document = {
            "keys": [key.model_dump(mode="json") for key in ring.keys],
            "waiting": waiting,
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for key in ring.keys:
        ended = (
            f"  revoked {key.revoked_at:%Y-%m-%dT%H:%M:%SZ}: {key.revoked_reason}"
            if key.revoked_at
            else ""
        )
        click.echo(
            f"{key.key_id[:16]}  {key.role:<6}  {key.registered_at:%Y-%m-%dT%H:%M:%SZ}  "
            f"{key.owner}{ended}"
        )
    for key_id in waiting:
        click.echo(f"{key_id[:16]}  waits to be introduced")


@keys.command()
@click.argument("key")
@click.option("--reason", required=True, help="Why, in at least 10 characters.")
@click.option("--by", default=None, metavar="KEY", help="Owner or id of the signing key.")
def revoke(key: str, reason: str, by: str | None) -> None:
    """Revoke KEY for good: nothing that it signs counts any more, nor any approval by it.

    \b
    Example:
      torghut keys revoke 3f9c2a77d0e1b2c4 --reason "the laptop was stolen" --by "A. Reviewer"

    Exit status: 0 revoked, 2 no passphrase, 3 the ledger is not whole, 4 no such key.
    """
    from torghut_assets.domain.errors import BadInputError

    if len(reason) < 10:
        raise BadInputError(
            location="--reason", found=f"{len(reason)} characters", expected="at least 10"
        )
    entry = desk_of(Home.from_environment()).revoke(key, reason, by, passphrase())
    click.echo(f"revoked in ledger entry {entry.sequence}")
