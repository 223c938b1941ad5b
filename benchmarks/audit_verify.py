"""How long does it take to verify a pack of 10,000 subjects and 1 GB? The limit is 10 seconds.

    python benchmarks/audit_verify.py [--subjects 10000] [--megabytes 1000]

Makes a signed pack of so many records, each a subject of a statement, and tables up to the size,
in a temporary folder, then runs `torghut audit verify` on it in a process of its own.
"""

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from torghut_assets.domain.audit.manifest import (
    EXPORT,
    EXPORT_SUBJECT,
    HEAD,
    LEAVES,
    MANIFEST,
    AuditPack,
    FileRef,
    HeldRecord,
    PackExport,
    entry_name,
    record_name,
    table_name,
)
from torghut_assets.domain.audit.proofs import EXPORT_KIND, leaves_text
from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.pack_desk import with_sums
from torghut_assets.resources.pack_file import Content, digests_of, write_pack

_PER_STATEMENT = 500
_PIECE = 8 << 20


def make(folder: Path, subjects: int, megabytes: int) -> Path:
    """Write the pack; return its path."""
    home = Home.at(folder / "home")
    home.prepare()
    ledger, contents = Ledger(home), {}
    digests = []
    for number in range(subjects):
        said = {"number": number, "text": f"{number:08d}" * 40}
        payload = canonical_json({"kind": "made-up", "record": said, "version": 1})
        digests.append(sha256_hex(payload))
        contents[record_name(digests[-1])] = payload
    predicate = PackExport(candidate_id="none", snapshot_id=None, session=None, commitments={})
    for at in range(0, subjects, _PER_STATEMENT):
        named = {f"record-{n:06d}": d for n, d in enumerate(digests[at : at + _PER_STATEMENT])}
        ledger.append("backtest", named, predicate)
    contents |= {entry_name(e.sequence): e.payload for e in ledger.entries()}
    source, left = random.Random(1), (megabytes << 20) - sum(map(len, contents.values()))
    files: dict[str, Content] = dict(contents)
    while left > 0:
        payload = source.randbytes(min(_PIECE, left))
        left -= len(payload)
        digest = sha256_hex(payload)
        (folder / digest).write_bytes(payload)
        files[table_name(digest)] = folder / digest
    manifest = AuditPack(
        candidate_id="none",
        snapshot_id=None,
        session=None,
        made_by="benchmarks",
        held=(HeldRecord(asset="made_up", partition=None, digest=digests[0]),),
        files={n: FileRef(sha256=d, size_bytes=s) for n, (d, s) in digests_of(files).items()},
        withheld={},
    )
    entry = ledger.append(EXPORT_KIND, {EXPORT_SUBJECT: manifest.digest}, predicate)
    head = ledger.head()
    assert head is not None
    files |= {
        MANIFEST: manifest.canonical_bytes(),
        EXPORT: entry.payload,
        HEAD: head[1],
        LEAVES: leaves_text([e.leaf for e in ledger.entries()]),
    }
    write_pack(folder / "pack.zip", with_sums(files))
    return folder / "pack.zip"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=10_000)
    parser.add_argument("--megabytes", type=int, default=1_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pack = make(Path(folder), asked.subjects, asked.megabytes)
        command = [Path(sys.executable).with_name("torghut"), "audit", "verify", pack]
        started = time.perf_counter()
        done = subprocess.run(command, check=False)
        seconds = time.perf_counter() - started
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    size = f"{asked.subjects} subjects, {asked.megabytes} MB"
    print(f"{size}: {seconds:.2f} s, {used.ru_utime + used.ru_stime:.2f} s of processor, ", end="")
    print(f"{used.ru_maxrss // 1024} MB at most")
    return 0 if done.returncode == 0 and seconds < 10 else 1


if __name__ == "__main__":
    sys.exit(main())
