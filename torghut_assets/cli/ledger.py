"""Commands about the ledger: is it whole, where does it stand, is this entry in it."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from torghut_assets.cli.screen import say
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    from torghut_assets.domain.evidence.entries import TreeHead

ANCHOR_HELP: Final = (
    "A head that was kept elsewhere: FILE (signed head, or one with a time stamp), "
    "git:REPOSITORY (every tag of a head) or git:REPOSITORY#TAG; repeatable."
)
ROOTS_HELP: Final = "Certificates (PEM) that a time stamp's chain must end in."


@click.group()
def ledger() -> None:
    """Verify the ledger of signed statements, show its head, prove what is in it."""


@ledger.command()
@click.option("--anchor", "anchors", multiple=True, metavar="ANCHOR", help=ANCHOR_HELP)
@click.option("--tsa-roots", type=click.Path(path_type=Path), help=ROOTS_HELP)
@click.option("--json", "as_json", is_flag=True, help="One object.")
def verify(anchors: tuple[str, ...], tsa_roots: Path | None, as_json: bool) -> None:
    """Check every entry, signature, role, time, tree head, tombstone and anchor, from the first on.

    Names the first fault and its place. For each ANCHOR: today's ledger still begins with what
    the anchored head saw; a ledger that was rolled back is `truncated`, one that was rewritten
    `other_history`. `docs/evidence.md` says how to do the same without this program.

    \b
    Examples:
      torghut ledger verify --anchor /mnt/elsewhere/2026-03-02.json
      torghut ledger verify --anchor git:/srv/anchors --anchor head.tsr.json --tsa-roots tsa.pem

    Exit status: 0 whole, 3 not, or unreadable, 4 an anchor or a certificate cannot be read.
    """
    from torghut_assets.domain.evidence.anchors import require_growth
    from torghut_assets.domain.evidence.removals import read_retention
    from torghut_assets.resources.anchors import kept_heads
    from torghut_assets.resources.ledger import Ledger

    book = Ledger(Home.from_environment())
    prefix = book.verify()
    held = [
        (kept, require_growth(prefix, kept.payload, location=kept.location))
        for kept in kept_heads(anchors, tsa_roots)
    ]
    kinds: dict[str, int] = {}
    for entry in prefix.entries:
        kinds[entry.kind] = kinds.get(entry.kind, 0) + 1
    retention = read_retention(prefix.entries, prefix.ring)
    if as_json:
        document = {
            "tree_size": prefix.size,
            "root_hash": prefix.root().hex(),
            "kinds": kinds,
            "anchors": [{**kept.plain, "tree_size": head.tree_size} for kept, head in held],
            "removed": {d: r.sequence for d, r in sorted(retention.removed.items())},
            "holds": sorted(retention.holds),
        }
        click.echo(json.dumps(document, indent=2, sort_keys=True))
        return
    say(f"ledger: {prefix.size} entries, whole and anchored, root {prefix.root().hex()}")
    for kind, count in sorted(kinds.items()):
        click.echo(f"  {count:6d}  {kind}")
    for kept, head in held:
        stamp = f", stamped {kept.plain['stamped_at']}" if kept.stamped_at else ""
        say(f"  grew from the first {head.tree_size} entries of {kept.location}{stamp}")
    for digest, removal in sorted(retention.removed.items()):
        say(f"  {digest[:12]} {removal.tombstone.removed.what}: {removal.text}")


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
    tree_head, signed = _newest()
    if out is not None:
        _write_new(out, signed)
    click.echo(f"{tree_head.tree_size}  {tree_head.root_hash}  {tree_head.recorded_at:%FT%TZ}")


@ledger.group()
def anchor() -> None:
    """Keep the ledger's head where whoever can write the home cannot: file, git, time stamp."""


@anchor.command("file")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One object.")
def anchor_file(path: Path, as_json: bool) -> None:
    """Write the signed head to PATH, a new file on another disk or machine.

    Exit status: 0 written, 3 the ledger is not whole, 4 it is empty, or the file exists.
    """
    head, signed = _newest()
    _write_new(path, signed)
    _said(head, "file", str(path), as_json)


@anchor.command("git")
@click.argument("repository", type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One object.")
def anchor_git(repository: Path, as_json: bool) -> None:
    """Write the signed head into an annotated tag of REPOSITORY, on its HEAD. Push it yourself.

    The tag is named after the size, and never moved. Whoever fetched it can convict a ledger
    that was rewritten later.

    \b
    Example:
      torghut ledger anchor git /srv/anchors    # then push the tags of that repository

    Exit status: 0 written or there already, 3 the ledger is not whole, 4 it is empty, there is no
    repository with a commit, or such a tag holds something else.
    """
    from torghut_assets.resources.git_anchor import keep_in_git

    head, signed = _newest()
    name = keep_in_git(repository, head, signed)
    _said(head, "git", f"git:{repository}#{name}", as_json)


@anchor.command("rfc3161")
@click.option("--tsa", "url", required=True, metavar="URL", help="The time-stamp authority.")
@click.option(
    "--tsa-roots", required=True, type=click.Path(path_type=Path), help="Certificates, PEM."
)
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="One object.")
def anchor_rfc3161(url: str, tsa_roots: Path, out: Path, as_json: bool) -> None:
    """Have the signed head stamped by an authority, and keep both in a new file.

    The stamp is checked against your certificates before it is kept. Only the head's SHA-256
    leaves this machine. Needs the extra `anchors`.

    \b
    Example:
      torghut ledger anchor rfc3161 --tsa https://tsa.example/ --tsa-roots tsa.pem \\
        --out head.tsr.json

    Exit status: 0 written, 3 the ledger is not whole or the stamp does not verify, 4 it is empty,
    nobody answers as an authority does, the file exists, or the extra is missing.
    """
    from torghut_assets.resources.timestamp_anchor import stamped

    head, signed = _newest()
    found = stamped(signed, url=url, roots=tsa_roots)
    _write_new(out, found.canonical_bytes())
    _said(head, "rfc3161", str(out), as_json)


def _newest() -> "tuple[TreeHead, bytes]":
    from torghut_assets.resources.ledger import Ledger

    found = Ledger(Home.from_environment()).head()
    if found is None:
        raise BadInputError(location="ledger", found="no entry", expected="at least one")
    return found


def _write_new(path: Path, payload: bytes) -> None:
    from torghut_assets.resources.new_files import write_new

    try:
        write_new(path, payload)
    except FileExistsError as error:
        raise BadInputError(
            location=str(path), found="a file", expected="a new name: heads are kept"
        ) from error


def _said(head: "TreeHead", kind: str, place: str, as_json: bool) -> None:
    if as_json:
        document = {
            "kind": kind,
            "anchor": place,
            "tree_size": head.tree_size,
            "root_hash": head.root_hash,
        }
        click.echo(json.dumps(document, indent=2, sort_keys=True))
        return
    say(f"{head.tree_size}  {head.root_hash}  {place}")


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
