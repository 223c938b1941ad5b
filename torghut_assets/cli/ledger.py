"""Commands about the ledger: is it whole, where does it stand, is this entry in it."""

import json
from pathlib import Path

import click

from torghut_assets.cli.screen import say
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.home import Home


@click.group()
def ledger() -> None:
    """Verify the ledger of signed statements, show its head, prove what is in it."""


@ledger.command()
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A tree head that was kept elsewhere; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="One object.")
def verify(anchors: tuple[Path, ...], as_json: bool) -> None:
    """Check every entry, signature, role, time, tree head and anchor, from the first on.

    Names the first fault and its place. `docs/evidence.md` says how to do the same without
    this program.

    Exit status: 0 whole, 3 not, or unreadable.
    """
    from torghut_assets.resources.ledger import Ledger

    book = Ledger(Home.from_environment())
    prefix = book.verify()
    for path in anchors:
        prefix.require_head(path.read_bytes(), what=f"anchor {path}")
    kinds: dict[str, int] = {}
    for entry in prefix.entries:
        kinds[entry.kind] = kinds.get(entry.kind, 0) + 1
    if as_json:
        document = {"tree_size": prefix.size, "root_hash": prefix.root().hex(), "kinds": kinds}
        click.echo(json.dumps(document, indent=2, sort_keys=True))
        return
    say(f"ledger: {prefix.size} entries, whole and anchored, root {prefix.root().hex()}")
    for kind, count in sorted(kinds.items()):
        click.echo(f"  {count:6d}  {kind}")


@ledger.command()
def join() -> None:
    """Begin to use a team's ledger from this home: check all of it, and keep its head.

    TORGHUT_LEDGER_URL names the database. Compare the root that is printed with the one that
    somebody else sees: from now on this home refuses any ledger that does not continue it.

    Exit status: 0 joined, 3 the ledger is not whole, 4 it is empty or this home has an anchor.
    """
    from torghut_assets.resources.ledger import Ledger

    prefix = Ledger(Home.from_environment()).join()
    click.echo(f"{prefix.size}  {prefix.root().hex()}")


@ledger.command()
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the signed head to a new file, e.g. on another machine's disk.",
)
def head(out: Path | None) -> None:
    """Show the signed tree head: the one line that names every entry so far.

    \b
    Example:
      torghut ledger head --out /mnt/elsewhere/2026-03-02.json

    Exit status: 0 shown, 3 the ledger is not whole, 4 it is empty, or the file exists.
    """
    from torghut_assets.resources.ledger import Ledger
    from torghut_assets.resources.new_files import write_new

    found = Ledger(Home.from_environment()).head()
    if found is None:
        raise BadInputError(location="ledger", found="no entry", expected="at least one")
    tree_head, signed = found
    if out is not None:
        try:
            write_new(out, signed)
        except FileExistsError as error:
            raise BadInputError(
                location=str(out), found="a file", expected="a new name: heads are kept"
            ) from error
    say(f"{tree_head.tree_size}  {tree_head.root_hash}  {tree_head.recorded_at:%FT%TZ}")


@ledger.command()
@click.argument("sequence", type=click.IntRange(min=1))
@click.option(
    "--since",
    type=click.IntRange(min=1),
    help="Also prove that the ledger grew from this size without a change.",
)
def prove(sequence: int, since: int | None) -> None:
    """Print the proof that entry SEQUENCE is in the ledger, as JSON.

    The proof needs nothing but itself: the leaf, the hashes of RFC 9162 and the signed head.

    Exit status: 0 printed, 3 the ledger is not whole, 4 no such entry or size.
    """
    from torghut_assets.domain.evidence.ledger_tree import consistency_proof, inclusion_proof
    from torghut_assets.resources.ledger import Ledger

    book = Ledger(Home.from_environment())
    prefix = book.checked()
    found = book.head()
    if found is None or max(sequence, since or 0) > prefix.size:
        raise BadInputError(
            location="ledger entry", found=str(sequence), expected=f"at most {prefix.size}"
        )
    entry = prefix.entries[sequence - 1]
    document = {
        "leaf": json.loads(entry.payload),
        "leaf_hash": entry.leaf.hex(),
        "leaf_index": sequence - 1,
        "tree_size": prefix.size,
        "root_hash": prefix.root().hex(),
        "inclusion": [node.hex() for node in inclusion_proof(prefix.leaves, sequence - 1)],
        "head": json.loads(found[1]),
    }
    if since is not None:
        document["consistency"] = {
            "old_size": since,
            "old_root_hash": prefix.root(since).hex(),
            "proof": [node.hex() for node in consistency_proof(prefix.leaves, since)],
        }
    click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
