"""Small packs that are signed by a real ledger, and ways to edit and rebuild a pack."""

import json
import struct
from collections.abc import Callable, Mapping
from importlib.resources import files as resource_files
from pathlib import Path

from torghut_assets.domain.audit.check import PackFindings, check_pack
from torghut_assets.domain.audit.manifest import (
    EXPORT,
    EXPORT_SUBJECT,
    HEAD,
    LEAVES,
    MANIFEST,
    SUMS,
    UNLISTED,
    AuditPack,
    FileRef,
    HeldRecord,
    PackExport,
    entry_name,
    record_name,
    sums_text,
)
from torghut_assets.domain.audit.proofs import EXPORT_KIND, leaves_text
from torghut_assets.domain.backtest.settings import parse_cost_model
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.pack_file import opened_pack, write_pack
from torghut_assets.resources.pack_reference import reference_in_pack

A = "a" * 64
Contents = dict[str, bytes]


def cost_model_bytes() -> bytes:
    shipped = resource_files("torghut_assets") / "config/cost_model.yaml"
    return parse_cost_model(shipped.read_bytes()).canonical_bytes()


def small_contents(home: Home, extra: Mapping[str, bytes] | None = None) -> Contents:
    """Every file of a signed pack with one record, one statement and what `extra` adds."""
    ledger = Ledger(home)
    payload = cost_model_bytes()
    digest = sha256_hex(payload)
    ledger.append("backtest", {"record": digest}, any_predicate())
    listed: Contents = {record_name(digest): payload, **(extra or {})}
    for entry in ledger.entries():
        listed[entry_name(entry.sequence)] = entry.payload
    return sealed_contents(
        home, listed, (HeldRecord(asset="cost_model", partition=None, digest=digest),)
    )


def any_predicate() -> RecordMade:
    said = {
        "asset": "cost_model",
        "partition": None,
        "record_kind_made": "cost-model",
        "record_version_made": 1,
        "inputs": {},
        "policies": {},
        "code_digest": A,
        "run_id": None,
        "actor": "somebody",
        "verdict": None,
        "late": False,
    }
    return RecordMade.model_validate({k: said[k] for k in RecordMade.model_fields})


def sealed_contents(home: Home, listed: Contents, held: tuple[HeldRecord, ...]) -> Contents:
    """Name files in a manifest, state it in the home's ledger, and add the proof."""
    manifest = AuditPack(
        candidate_id="some-candidate",
        snapshot_id="us-megacaps@2021-12-31",
        session=None,
        made_by="tests",
        held=held,
        files={n: FileRef(sha256=sha256_hex(p), size_bytes=len(p)) for n, p in listed.items()},
        withheld={},
    )
    export = PackExport(
        candidate_id=manifest.candidate_id,
        snapshot_id=manifest.snapshot_id,
        session=None,
        commitments={},
    )
    ledger = Ledger(home)
    entry = ledger.append(EXPORT_KIND, {EXPORT_SUBJECT: manifest.digest}, export)
    found = ledger.head()
    assert found is not None
    proof = {
        MANIFEST: manifest.canonical_bytes(),
        EXPORT: entry.payload,
        HEAD: found[1],
        LEAVES: leaves_text([e.leaf for e in ledger.entries()]),
    }
    return summed({**listed, **proof})


def summed(contents: Mapping[str, bytes]) -> Contents:
    """Write the list for `sha256sum` anew."""
    digests = {n: sha256_hex(p) for n, p in contents.items() if n != SUMS}
    return {**contents, SUMS: sums_text(digests).encode("ascii")}


def listed_anew(contents: Mapping[str, bytes]) -> Contents:
    """Write digests into pack.json and SHA256SUMS anew, as somebody without a key can."""
    document = json.loads(contents[MANIFEST])
    document["record"]["files"] = {
        n: {"sha256": sha256_hex(p), "size_bytes": len(p)}
        for n, p in sorted(contents.items())
        if n not in UNLISTED
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return summed({**contents, MANIFEST: text.encode("utf-8")})


def contents_of(path: Path) -> Contents:
    """Every file of a pack."""
    with opened_pack(path) as pack:
        return {name: pack.read(name) for name in pack.sizes}


def written(path: Path, contents: Mapping[str, bytes]) -> Path:
    path.unlink(missing_ok=True)
    write_pack(path, contents)
    return path


def checked(path: Path, *anchors: bytes) -> PackFindings:
    with opened_pack(path) as pack:
        named = [(f"anchor {n}", a) for n, a in enumerate(anchors)]
        return check_pack(pack, named, reference_in_pack)


def zip_of(
    members: list[tuple[bytes, bytes]],
    *,
    method: int = 0,
    claimed: int | None = None,
    mode: int = 0o100644,
    flags: int = 0,
    edit: Callable[[bytes], bytes] = bytes,
) -> bytes:
    """A ZIP file written field by field, so that any field can be a lie."""
    import zlib

    body, central, offset = b"", b"", 0
    for name, content in members:
        size = len(content) if claimed is None else claimed
        common = struct.pack(
            "<5H3I2H",
            10,
            flags,
            method,
            0,
            33,
            zlib.crc32(content),
            len(content),
            size,
            len(name),
            0,
        )
        local = b"PK\x03\x04" + common + name + content
        central += (
            b"PK\x01\x02"
            + struct.pack("<H", 3 << 8 | 10)
            + common
            + struct.pack("<3H2I", 0, 0, 0, (mode << 16) & 0xFFFFFFFF, offset)
            + name
        )
        body += local
        offset += len(local)
    count = len(members)
    end = b"PK\x05\x06" + struct.pack("<4H2IH", 0, 0, count, count, len(central), len(body), 0)
    return edit(body + central + end)
