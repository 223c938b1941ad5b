"""Packs that were made to do harm: each is refused by name, in little memory and time."""

import json
import subprocess
import sys
import time
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pack_examples import checked, contents_of, listed_anew, small_contents, summed, written, zip_of

from torghut_assets.domain.audit.container import MAX_FILES, check_directory
from torghut_assets.domain.audit.faults import NotAPackError, PackFault, PackFaultError
from torghut_assets.domain.audit.manifest import MANIFEST, SUMS, record_name
from torghut_assets.domain.errors import TorghutError
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault


@pytest.fixture
def pack(home, tmp_path):
    return written(tmp_path / "pack.zip", small_contents(home))


def refused(path, fault):
    with pytest.raises(TorghutError) as caught:
        checked(path)
    assert getattr(caught.value, "fault", None) == fault, str(caught.value)
    return caught.value


def hostile(tmp_path, payload):
    path = tmp_path / "hostile.zip"
    path.write_bytes(payload)
    return path


def test_a_pack_that_nobody_touched_holds(pack):
    found = checked(pack)
    assert (found.records, found.statements, found.tree_size) == (1, 3, 3)


def test_the_same_contents_have_one_container(home, tmp_path):
    contents = small_contents(home)
    one = written(tmp_path / "one.zip", contents).read_bytes()
    other = written(tmp_path / "other.zip", dict(reversed(contents.items()))).read_bytes()
    assert one == other


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (b"", PackFault.NOT_A_ZIP),
        (b"PK", PackFault.NOT_A_ZIP),
        (b"MZ" + bytes(400), PackFault.NOT_A_ZIP),
        (b"PK\x03\x04" + bytes(400), PackFault.TRUNCATED),
        (zip_of([(b"../../etc/passwd", b"x")]), PackFault.NAME_UNSAFE),
        (zip_of([(b"/etc/passwd", b"x")]), PackFault.NAME_UNSAFE),
        (zip_of([(b"C:\\windows\\win.ini", b"x")]), PackFault.NAME_UNSAFE),
        (zip_of([(b"records\\..\\a", b"x")]), PackFault.NAME_UNSAFE),
        (zip_of([(b"a/./b", b"x")]), PackFault.NAME_UNSAFE),
        (zip_of([(b"a//b", b"x")]), PackFault.NAME_UNSAFE),
        (zip_of([(b"a\x00b", b"x")]), PackFault.NAME_UNSAFE),
        (zip_of([("\u202egpj".encode(), b"x")]), PackFault.NAME_UNSAFE),
        (zip_of([(b"a" * 5000, b"x")]), PackFault.NAME_UNSAFE),
        (zip_of([(b"", b"x")]), PackFault.NAME_UNSAFE),
        (zip_of([(b"folder/", b"")]), PackFault.NAME_UNSAFE),
        (zip_of([(b"a.json", b"1"), (b"a.json", b"2")]), PackFault.NAME_REPEATED),
        (zip_of([(b"a", b"1"), (b"b", b"1"), (b"a", b"2")]), PackFault.NAME_REPEATED),
        (zip_of([(b"b", b"1"), (b"a", b"2")]), PackFault.NAME_OUT_OF_ORDER),
        (zip_of([(b"a", b"/etc/passwd")], mode=0o120777), PackFault.NO_REGULAR_FILE),
        (zip_of([(b"a", b"x")], mode=0o104755), PackFault.NO_REGULAR_FILE),
        (zip_of([(b"a", b"x")], flags=1), PackFault.ENCRYPTED),
        (zip_of([(b"a", b"x")], method=8), PackFault.COMPRESSED),
        (zip_of([(b"a", b"x")], claimed=4_000_000_000), PackFault.COMPRESSED),
        (zip_of([(b"a", b"x")], edit=lambda b: b + b"tail"), PackFault.TRUNCATED),
        (
            zip_of([(b"a", b"x")], edit=lambda b: b[:10] + b"?" + b[11:]),
            PackFault.CONTAINER_ALTERED,
        ),
        (zip_of([(b"a", b"x")], flags=8), PackFault.CONTAINER_ALTERED),
        (zip_of([(b"a", b"x")]), PackFault.MANIFEST_MISSING),
    ],
)
def test_a_container_that_is_no_pack_is_refused_by_name(tmp_path, payload, fault):
    error = refused(hostile(tmp_path, payload), fault)
    assert isinstance(error, NotAPackError)
    assert error.exit_code == 4


def test_a_zip_bomb_is_refused_before_a_byte_of_it_is_expanded(tmp_path):
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = squeezer.compress(bytes(50_000_000)) + squeezer.flush()
    bomb = zip_of([(b"pack.json", packed)], method=8, claimed=4_294_967_294)
    started = time.perf_counter()
    refused(hostile(tmp_path, bomb), PackFault.COMPRESSED)
    assert time.perf_counter() - started < 0.5


def test_more_files_than_a_pack_may_have_are_refused_before_their_names_are_read(tmp_path):
    many = zip_of([(b"%05d" % n, b"") for n in range(MAX_FILES + 1)])
    refused(hostile(tmp_path, many), PackFault.TOO_MANY_FILES)


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9, 0.999])
def test_a_pack_that_was_cut_off_is_refused(pack, tmp_path, share):
    whole = pack.read_bytes()
    refused(hostile(tmp_path, whole[: int(len(whole) * share)]), PackFault.TRUNCATED)


def test_what_stands_before_or_between_the_files_is_refused(pack, tmp_path):
    whole = pack.read_bytes()
    refused(hostile(tmp_path, b"#!/bin/sh\n" + whole), PackFault.NOT_A_ZIP)
    at = whole.index(b"PK\x01\x02")
    refused(hostile(tmp_path, whole[:at] + b"hidden" + whole[at:]), PackFault.CONTAINER_ALTERED)


def manifest_with(pack, tmp_path, edit):
    contents = contents_of(pack)
    contents[MANIFEST] = edit(contents[MANIFEST])
    return written(tmp_path / "edited.zip", summed(contents))


@pytest.mark.parametrize(
    ("edit", "fault"),
    [
        (lambda p: p.replace(b'"version":1}', b'"version":2}'), PackFault.VERSION_UNKNOWN),
        (lambda p: p.replace(b'"audit-pack"', b'"other-pack"'), PackFault.VERSION_UNKNOWN),
        (lambda p: b"[" * 100_000 + b"]" * 100_000, PackFault.NESTED_TOO_DEEPLY),
        (lambda p: b'{"a":' * 50_000 + b"1" + b"}" * 50_000, PackFault.NESTED_TOO_DEEPLY),
        (lambda p: p.replace(b',"version":1}', b',"version":NaN}'), Fault.NOT_JSON),
        (lambda p: p.replace(b',"version":1}', b',"version":Infinity}'), Fault.NOT_JSON),
        (lambda p: p[:-1] + b',"version":1}', Fault.DUPLICATE_JSON_KEY),
        (lambda p: p.replace(b',"version":1}', b', "version":1}'), Fault.NOT_CANONICAL),
        (lambda p: p.replace(b',"version":1}', b',"version":1.0}'), PackFault.MALFORMED),
        (lambda p: p + b"\n", Fault.NOT_CANONICAL),
        (lambda p: b"\xff\xfe", Fault.NOT_JSON),
        (lambda p: b"9" * 6_000, Fault.NOT_JSON),
        (lambda p: p.replace(b'"session":null', b'"session":5'), PackFault.MALFORMED),
        (lambda p: p.replace(b'"ledger/0000000001', b'"../../000000001'), PackFault.MALFORMED),
        (lambda p: p + b" " * (5 << 20), PackFault.TOO_LARGE),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_believed_is_refused_by_name(pack, tmp_path, edit, fault):
    refused(manifest_with(pack, tmp_path, edit), fault)


@pytest.mark.parametrize(
    ("payload", "fault"),
    [
        (b'{"kind":"x","record":{"a":NaN},"version":1}', Fault.NOT_JSON),
        (b'{"kind":"x","record":{"a":1,"a":1},"version":1}', Fault.DUPLICATE_JSON_KEY),
        (b'{"kind":"x","record":{"b":1,"a":1},"version":1}', Fault.NOT_CANONICAL),
        (b'{"kind":"x","record":{"a":1e2},"version":1}', Fault.NOT_CANONICAL),
        (b'{"kind":"x","record":{},"version":1,"more":1}', Fault.NOT_CANONICAL),
        (b'{"kind":"x","more":1,"record":{},"version":1}', PackFault.MALFORMED),
        (b"[1]", PackFault.MALFORMED),
        (b'{"a":' * 9_000 + b"1" + b"}" * 9_000, PackFault.NESTED_TOO_DEEPLY),
    ],
)
def test_a_signed_record_that_is_no_record_is_refused_by_name(home, tmp_path, payload, fault):
    from torghut_assets.domain.digests import sha256_hex

    contents = small_contents(home, {record_name(sha256_hex(payload)): payload})
    refused(written(tmp_path / "pack.zip", contents), fault)


def test_a_file_that_was_edited_added_or_taken_out_is_named(pack, tmp_path):
    contents = contents_of(pack)
    record = next(n for n in contents if n.startswith("records/"))
    edited = {**contents, record: contents[record].replace(b"1", b"2", 1)}
    error = refused(written(tmp_path / "1.zip", edited), PackFault.SUMS_DIFFER)
    assert record in str(error)
    error = refused(written(tmp_path / "2.zip", summed(edited)), PackFault.DIGEST_DIFFERS)
    assert record in str(error)
    refused(written(tmp_path / "3.zip", listed_anew(edited)), PackFault.DIGEST_DIFFERS)
    more = {**contents, "records/extra.exe": b"MZ"}
    refused(written(tmp_path / "4.zip", summed(more)), PackFault.FILE_UNLISTED)
    less = {n: p for n, p in contents.items() if n != record}
    refused(written(tmp_path / "5.zip", summed(less)), PackFault.FILE_MISSING)
    refused(written(tmp_path / "6.zip", listed_anew(less)), PackFault.EXPORT_UNSIGNED)


def test_a_whole_pack_of_another_ledger_is_convicted_by_an_anchor(home, pack, tmp_path):
    from torghut_assets.resources.home import Home
    from torghut_assets.resources.ledger import Ledger

    other = Home.at(tmp_path / "forger")
    other.prepare()
    forged = written(tmp_path / "forged.zip", small_contents(other))
    assert checked(forged).tree_size == 3
    kept = Ledger(home).head()
    assert kept is not None
    assert checked(pack, kept[1]).anchors == [3]
    with pytest.raises(PackFaultError) as caught:
        checked(forged, kept[1])
    assert caught.value.fault is PackFault.OTHER_HISTORY


def test_an_anchor_that_is_newer_needs_its_proof(home, pack):
    from pack_examples import A, any_predicate

    from torghut_assets.domain.evidence.ledger_tree import consistency_proof
    from torghut_assets.resources.ledger import Ledger

    ledger = Ledger(home)
    ledger.append("backtest", {"record": A}, any_predicate())
    later = ledger.head()
    assert later is not None
    with pytest.raises(PackFaultError) as caught:
        checked(pack, later[1])
    assert caught.value.fault is PackFault.ANCHOR_IS_NEWER
    proof = consistency_proof([e.leaf for e in ledger.entries()], 3)
    document = {
        "head": json.loads(later[1]),
        "consistency": {"old_size": 3, "proof": [node.hex() for node in proof]},
    }
    assert checked(pack, json.dumps(document).encode()).anchors == [4]
    document["consistency"]["proof"][0] = "0" * 64
    with pytest.raises(PackFaultError) as caught:
        checked(pack, json.dumps(document).encode())
    assert caught.value.fault is PackFault.OTHER_HISTORY


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b"[" * 100_000, b'{"head":1}'])
def test_an_anchor_that_is_none_is_refused(pack, payload):
    with pytest.raises((PackFaultError, EvidenceRefusedError)):
        checked(pack, payload)


@given(st.binary(max_size=2_000))
def test_no_bytes_crash_the_reader_of_containers(payload):
    with pytest.raises(NotAPackError):
        check_directory(lambda at, n: payload[at : at + n], len(payload), location="any")


def test_the_list_for_sha256sum_is_read_by_sha256sum(pack, tmp_path):
    for name, content in contents_of(pack).items():
        path = tmp_path / "out" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", SUMS],
        cwd=tmp_path / "out",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr


_LIMITED = """
import sys
from pathlib import Path
from torghut_assets.domain.audit.check import check_pack
from torghut_assets.domain.errors import TorghutError
from torghut_assets.resources.pack_file import opened_pack
for path in sys.argv[1:]:
    try:
        with opened_pack(Path(path)) as pack:
            check_pack(pack)
    except TorghutError as error:
        print(error.fault.value)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].split()[0]) // 1024)  # of this program, not of what it was forked from
"""


def test_hostile_packs_stay_within_memory(pack, tmp_path):
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = squeezer.compress(bytes(50_000_000)) + squeezer.flush()
    many = b"".join(b"a" for _ in range(1))
    paths = [
        hostile(tmp_path, zip_of([(b"pack.json", packed)], method=8, claimed=4_294_967_294)),
        tmp_path / "many.zip",
        tmp_path / "sparse.zip",
        manifest_with(pack, tmp_path, lambda p: b"[" * 4_000_000),
    ]
    paths[1].write_bytes(zip_of([(b"%06d" % n, many) for n in range(65_535)]))
    with paths[2].open("wb") as sparse:
        sparse.write(b"PK\x03\x04")
        sparse.truncate(6_000_000_000)
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    *faults, peak = done.stdout.split()
    assert faults == ["compressed", "too_many_files", "too_large", "nested_too_deeply"]
    assert int(peak) < 300
