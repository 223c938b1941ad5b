"""Packs without some fields: verified, redacted, verified again, and only then written."""

import json
from pathlib import Path
from typing import Final

from torghut_assets.domain.audit.check import check_pack
from torghut_assets.domain.audit.commitments import fields_of_groups, redacted
from torghut_assets.domain.audit.manifest import (
    MANIFEST,
    REDACTION,
    REPORT,
    SUMS,
    digest_in,
    redacted_name,
    salts_name,
)
from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.pack_desk import with_sums
from torghut_assets.resources.pack_file import Content, PackFile, opened_pack, write_pack

_RECORDS: Final = "records/"


def redact_pack(path: Path, groups: tuple[str, ...], out: Path) -> dict[str, list[str]]:
    """Write a pack again without the fields of some groups.

    Returns
    -------
    dict of str to list of str
        Digest of each record that was redacted, and the fields that were taken out.

    Raises
    ------
    EvidenceError, NotAPackError
        If the pack does not hold: what is altered is not passed on.
    BadInputError
        If it was redacted before, or has none of the fields.
    """
    with opened_pack(path) as pack:
        check_pack(pack)
        if REDACTION in pack.sizes:
            raise BadInputError(
                location=str(path),
                found="a pack that was redacted before",
                expected="the whole one",
                action="Name all groups at once.",
            )
        contents: dict[str, Content] = {
            name: pack.read(name) for name in pack.sizes if name not in {SUMS, REPORT}
        }
        manifest = json.loads(pack.read(MANIFEST))["record"]
        hidden = _replace_records(pack, groups, contents)
    if not hidden:
        raise BadInputError(
            location=str(path), found="no record with these fields", expected="at least one"
        )
    contents[REDACTION] = canonical_json(
        {"candidate_id": manifest["candidate_id"], "groups": sorted(set(groups))}
    )
    write_pack(out, with_sums(contents))
    try:
        with opened_pack(out) as made:
            check_pack(made)
    except BaseException:
        out.unlink()
        raise
    return hidden


def _replace_records(
    pack: PackFile, groups: tuple[str, ...], contents: dict[str, Content]
) -> dict[str, list[str]]:
    """Put redacted forms in the place of records and their salts."""
    hidden = {}
    for name in [n for n in pack.sizes if n.startswith(_RECORDS)]:
        digest = digest_in(name)
        if salts_name(digest) not in contents:
            continue
        data = json.loads(pack.read(name))
        hide = fields_of_groups(data["kind"], groups) & data["record"].keys()
        if not hide:
            continue
        salts = json.loads(pack.read(salts_name(digest)))
        made = redacted(digest, data, salts, hide)
        del contents[name], contents[salts_name(digest)]
        contents[redacted_name(digest)] = made.canonical_bytes()
        hidden[digest] = sorted(hide)
    return hidden
