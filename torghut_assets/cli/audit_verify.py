"""`torghut audit verify`: is a pack whole, signed, and rightly decided? Offline, no home."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from torghut_assets.cli.ledger import ANCHOR_HELP, ROOTS_HELP
from torghut_assets.cli.screen import Bar, bar, say

if TYPE_CHECKING:
    from torghut_assets.domain.audit.check import PackFindings
    from torghut_assets.resources.pack_file import PackFile


class _Counted:
    """A pack whose bytes move a bar as they are hashed, which is most of the work."""

    def __init__(self, pack: "PackFile", progress: Bar) -> None:
        self._pack = pack
        self._progress = progress

    @property
    def location(self) -> str:
        """Where the pack lies."""
        return self._pack.location

    @property
    def sizes(self) -> Mapping[str, int]:
        """The files and their sizes in bytes."""
        return self._pack.sizes

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return self._pack.read(name)

    def digest(self, name: str) -> str:
        """Return a file's SHA-256."""
        self._progress.doing(name)
        digest = self._pack.digest(name)
        self._progress.advance(self._pack.sizes[name])
        return digest


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    metavar="ANCHOR",
    help=f"{ANCHOR_HELP} Or the output of `ledger prove --since`.",
)
@click.option("--tsa-roots", type=click.Path(path_type=Path), help=ROOTS_HELP)
@click.option("--json", "as_json", is_flag=True, help="One object, also for a fault.")
def verify(pack: Path, anchors: tuple[str, ...], tsa_roots: Path | None, as_json: bool) -> None:
    """Check PACK: every digest, signature, role, proof and order, and decide every gate again.

    Needs no home and no network. The first fault is named with its place. Without --anchor,
    whoever holds a runner's key could have made another ledger; give a head that you kept.

    \b
    Examples:
      torghut audit verify pack.zip
      torghut audit verify pack.zip --anchor /mnt/elsewhere/head.json --json
      torghut audit verify pack.zip --anchor git:/srv/anchors#torghut-ledger-0000000042

    Exit status: 0 it holds, 3 it does not, 4 it is not a pack, or an anchor cannot be read.
    """
    import json
    import sys

    from torghut_assets.domain.audit.check import check_pack
    from torghut_assets.domain.audit.faults import NotAPackError, PackFaultError
    from torghut_assets.domain.errors import TorghutError
    from torghut_assets.domain.evidence.faults import EvidenceRefusedError
    from torghut_assets.resources.anchors import kept_heads
    from torghut_assets.resources.pack_file import opened_pack
    from torghut_assets.resources.pack_reference import reference_in_pack

    try:
        with opened_pack(pack) as source:
            heads = [(kept.location, kept.payload) for kept in kept_heads(anchors, tsa_roots)]
            with bar(f"pack {pack.name}", sum(source.sizes.values())) as progress:
                findings = check_pack(_Counted(source, progress), heads, reference_in_pack)
    except TorghutError as error:
        if not as_json:
            raise
        named = (
            error
            if isinstance(error, NotAPackError | PackFaultError | EvidenceRefusedError)
            else None
        )
        document = {
            "holds": False,
            "fault": named.fault.value if named else "evidence",
            "place": named.location if named else None,
            "message": str(error),
        }
        click.echo(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False))
        sys.exit(error.exit_code)
    if as_json:
        click.echo(json.dumps(_document(findings), indent=2, sort_keys=True, ensure_ascii=False))
        return
    _show(findings)


def _document(findings: "PackFindings") -> dict[str, Any]:
    from dataclasses import asdict

    shown = {k: v for k, v in asdict(findings).items() if k != "manifest"}
    manifest = findings.manifest
    return {
        "holds": True,
        "candidate_id": manifest.candidate_id,
        "snapshot_id": manifest.snapshot_id,
        "session": manifest.session,
        **shown,
    }


def _show(found: "PackFindings") -> None:
    manifest = found.manifest
    about = manifest.session or manifest.snapshot_id
    say(f"pack of {manifest.candidate_id}, {about}: holds")
    say(f"  {found.files} files, {found.size_bytes} bytes, every digest as listed")
    say(f"  {found.records} records, {found.tables} tables, {found.withheld} tables withheld")
    say(f"  {found.statements} statements, signed, in their roles, in order")
    if found.unstated:
        say(f"  {len(found.unstated)} records have no statement but the one about this pack")
    say(f"  ledger of {found.tree_size} entries, root {found.root_hash}")
    for size in found.anchors:
        say(f"  agrees with the anchor of size {size}")
    if not found.anchors:
        say("  no anchor was given: another ledger with other keys would look as whole")
    say(f"  {found.trials} trial register entries, {found.receipts} receipts, unbroken")
    for one in found.decisions:
        say(f"  decided again: {one.kind} of {one.subject}: {one.verdict}")
    for one in found.approvals:
        say(f"  judged again: {one.subject}: {one.verdict}")
    for digest, text in found.removed.items():
        say(f"  not here: {digest[:12]}, {text}")
    for digest, fields in found.redacted.items():
        say(f"  redacted: {digest[:12]}: {', '.join(fields)}")
    for text in found.not_decided:
        say(f"  could not be decided again: {text}")
