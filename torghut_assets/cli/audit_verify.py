"""`torghut audit verify`: is a pack whole, signed, and rightly decided? Offline, no home."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from torghut_assets.domain.audit.check import PackFindings


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A tree head that was kept elsewhere, or `ledger prove --since` output; repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="One object, also for a fault.")
def verify(pack: Path, anchors: tuple[Path, ...], as_json: bool) -> None:
    """Check PACK: every digest, signature, role, proof and order, and decide every gate again.

    Needs no home and no network. The first fault is named with its place. Without --anchor,
    whoever holds a runner's key could have made another ledger; give a head that you kept.

    \b
    Examples:
      torghut audit verify pack.zip
      torghut audit verify pack.zip --anchor /mnt/elsewhere/head.json --json

    Exit status: 0 it holds, 3 it does not, 4 it is not a pack.
    """
    import json
    import sys

    from torghut_assets.domain.audit.check import check_pack
    from torghut_assets.domain.audit.faults import NotAPackError, PackFaultError
    from torghut_assets.domain.errors import TorghutError
    from torghut_assets.domain.evidence.faults import EvidenceRefusedError
    from torghut_assets.resources.pack_file import opened_pack
    from torghut_assets.resources.pack_reference import reference_in_pack

    try:
        with opened_pack(pack) as source:
            heads = [(str(path), path.read_bytes()) for path in anchors]
            findings = check_pack(source, heads, reference_in_pack)
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
    click.echo(f"pack of {manifest.candidate_id}, {about}: holds")
    click.echo(f"  {found.files} files, {found.size_bytes} bytes, every digest as listed")
    click.echo(
        f"  {found.records} records, {found.tables} tables, {found.withheld} tables withheld"
    )
    click.echo(f"  {found.statements} statements, signed, in their roles, in order")
    if found.unstated:
        click.echo(f"  {len(found.unstated)} records have no statement but the one about this pack")
    click.echo(f"  ledger of {found.tree_size} entries, root {found.root_hash}")
    for size in found.anchors:
        click.echo(f"  agrees with the anchor of size {size}")
    if not found.anchors:
        click.echo("  no anchor was given: another ledger with other keys would look as whole")
    click.echo(f"  {found.trials} trial register entries, {found.receipts} receipts, unbroken")
    for one in found.decisions:
        click.echo(f"  decided again: {one.kind} of {one.subject}: {one.verdict}")
    for one in found.approvals:
        click.echo(f"  judged again: {one.subject}: {one.verdict}")
    for digest, fields in found.redacted.items():
        click.echo(f"  redacted: {digest[:12]}: {', '.join(fields)}")
    for text in found.not_decided:
        click.echo(f"  could not be decided again: {text}")
