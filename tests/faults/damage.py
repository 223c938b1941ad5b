"""A flipped bit or a missing end in every kind of file that is evidence.

Each file is changed in one place, whoever reads it must refuse it and name it, and it is put back.
A bit of a database that no row depends on (free space, counters of SQLite) may change unnoticed
as long as every row is the same; such a flip is not counted.
"""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from evaluated_examples import SNAPSHOT

from torghut_assets.domain.errors import TorghutError
from torghut_assets.resources.home import Home

from . import workbench
from .table import Row

STAGE: Final = "evidence at rest"


class Kind(NamedTuple):
    """Files of one kind, who reads them, and what they say.

    Attributes
    ----------
    read : callable
        Raises, or returns what is wrong, if a file is not what was written.
    """

    name: str
    files: tuple[Path, ...]
    read: Callable[[Path], str]
    says: Callable[[Path], Any]


def damage_all(homes: Sequence[Path], points: int, seed: int) -> list[Row]:
    """Damage files of every kind, as often as it takes to come to `points` in all.

    Parameters
    ----------
    homes : sequence of Path
        Homes at the end of their lives; a kind is damaged in the first that has it.
    """
    known: list[str] = []
    wanted: list[tuple[Path, list[str]]] = []
    for home in homes:
        names = workbench.call(home, lambda: [k.name for k in kinds(Home.from_environment())]).value
        wanted.append((home, [name for name in names if name not in known]))
        known += wanted[-1][1]
    each = -(-points // len(known))
    answers: list[tuple[str, int, list[str]]] = []
    for home, names in wanted:
        answer = workbench.call(home, partial(_damage_all, names, each, seed)).value
        if answer is None:
            raise RuntimeError("the process that damages files died")
        answers += answer
    rows = []
    for name, done, unseen in answers:
        row = Row(f"damage: {name}", STAGE, seed, points=done, undetected=len(unseen))
        row.details = [f"{row.fault}: {what}" for what in unseen]
        rows.append(row)
    return rows


def _damage_all(names: list[str], each: int, seed: int) -> list[tuple[str, int, list[str]]]:
    home = Home.from_environment()
    return [(kind.name, *damage(kind, each, seed)) for kind in kinds(home) if kind.name in names]


def kinds(home: Home) -> Iterator[Kind]:
    """Every kind of evidence in a home: artifacts by the kind of their record, registers, keys."""
    artifacts: dict[str, list[Path]] = {}
    for path in sorted(home.store.root.glob("??/*")):
        artifacts.setdefault(_kind_of(path), []).append(path)
    for name, files in sorted(artifacts.items()):
        yield Kind(f"artifact {name}", tuple(files), _artifact(home), Path.read_bytes)
    for name, path, read in (
        ("ledger", home.ledger_path, _ledger),
        ("trial register", home.trial_register_path, _trials),
        ("stage receipts", home.receipts_path, _receipts),
        ("order journal", home.order_journal_path, _orders),
    ):
        if path.is_file():
            yield Kind(name, (path,), read(home), _rows)
    for name, path, read in (
        ("anchor of the ledger", home.ledger_anchor_path, _ledger),
        ("anchor of the trials", home.trial_anchor_path, _trials),
        ("anchor of the receipts", home.receipts_anchor_path, _receipts),
        ("anchor of the orders", home.order_journal_anchor_path, _orders),
        ("anchor of the latches", home.kill_anchor_path, _latches),
    ):
        if path.is_file():
            yield Kind(name, (path,), read(home), Path.read_bytes)
    latches = tuple(sorted(home.kill_folder.glob("*.json")))
    if latches:
        yield Kind("kill latch", latches, _latches(home), Path.read_bytes)
    keys = tuple(sorted(home.keys_folder.glob("*.pem")))
    yield Kind("private key", keys, _key(home), _key_bytes)
    pages = tuple(sorted((home.root / "reports").glob("*/*.json")))[:1]
    if pages:
        read = _publication(home, pages[0].parent.name)
        yield Kind("published report", pages, read, lambda p: json.loads(p.read_bytes()))
    specs = tuple(sorted(home.candidates_folder.glob("*.yaml")))
    yield Kind("submitted candidate", specs, _submission(home), _spec)


def damage(kind: Kind, points: int, seed: int) -> tuple[int, list[str]]:
    """Damage files of one kind; return how often, and what nobody noticed."""
    draw = random.Random(f"{seed} {kind.name}")
    done, unseen = 0, []
    for _ in range(20 * points):
        if done >= points:
            break
        path = draw.choice(kind.files)
        whole = path.read_bytes()
        says = kind.says(path)
        what, changed = _changed(draw, whole)
        path.write_bytes(changed)
        try:
            if _is_the_same(kind, path, says):
                continue
            done += 1
            told = _told(kind, path)
            name = path.name.split(".")[0][:12]
            if not told:
                unseen.append(f"{what} of {path.name}: nobody noticed")
            elif name not in told and path.parent.name not in told:
                unseen.append(f"{what} of {path.name}: not named: {told[:200]}")
        finally:
            path.write_bytes(whole)
            for end in ("-wal", "-shm", "-journal"):
                path.with_name(path.name + end).unlink(missing_ok=True)
    return done, unseen


def _changed(draw: random.Random, whole: bytes) -> tuple[str, bytes]:
    if draw.random() < 0.7:
        place, bit = draw.randrange(len(whole)), draw.randrange(8)
        changed = bytearray(whole)
        changed[place] ^= 1 << bit
        return f"bit {bit} of byte {place}", bytes(changed)
    length = draw.randrange(len(whole))
    return f"all but {length} bytes", whole[:length]


def _is_the_same(kind: Kind, path: Path, says: Any) -> bool:
    try:
        return bool(kind.says(path) == says)
    except Exception:  # noqa: BLE001 - whatever cannot be read any more is not the same
        return False


def _told(kind: Kind, path: Path) -> str:
    """Return what the reader says about a damaged file; empty if it takes it."""
    try:
        return kind.read(path)
    except TorghutError as error:
        return str(error)


def _kind_of(path: Path) -> str:
    head = path.read_bytes()
    if head.startswith(b'{"'):
        with suppress(ValueError):
            return str(json.loads(head).get("kind", "document"))
    return {b"PAR1": "parquet", b"ARRO": "arrow"}.get(head[:4], "file")


def _rows(path: Path) -> list[Any]:
    """Return every row and every guard of a database."""
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()
        names = [row[0] for row in tables if str(row[1]).startswith("CREATE TABLE")]
        return [tables, *(database.execute(f"SELECT * FROM {n}").fetchall() for n in names)]


def _artifact(home: Home) -> Callable[[Path], str]:
    def read(path: Path) -> str:
        home.store.get(path.name)
        home.store.verified_path(path.name)
        return ""

    return read


def _ledger(home: Home) -> Callable[[Path], str]:
    def read(_: Path) -> str:
        from torghut_assets.resources.ledger import Ledger

        with closing(Ledger(home)) as ledger:
            ledger.verify()
        return ""

    return read


def _trials(home: Home) -> Callable[[Path], str]:
    def read(_: Path) -> str:
        from torghut_assets.cli.trials import register_of

        found = [f for f in register_of(home).verify() if f.severity != "notice"]
        where = f"{home.trial_register_path} {home.trial_anchor_path}"
        return f"{where}: {found[0].code} {found[0].detail}" if found else ""

    return read


def _receipts(home: Home) -> Callable[[Path], str]:
    def read(_: Path) -> str:
        from torghut_assets.resources.receipt_book import ReceiptBook

        ReceiptBook(home).receipts()
        return ""

    return read


def _orders(home: Home) -> Callable[[Path], str]:
    def read(_: Path) -> str:
        from torghut_assets.resources.order_journal import OrderJournal

        OrderJournal(home).ledger()
        return ""

    return read


def _latches(home: Home) -> Callable[[Path], str]:
    def read(_: Path) -> str:
        from torghut_assets.resources.kill_switch import KillSwitch

        found = KillSwitch(home).reading(None)
        return found.detail if found.state == "unreadable" else ""

    return read


def _key(home: Home) -> Callable[[Path], str]:
    def read(_: Path) -> str:
        from torghut_assets.resources.ledger import Ledger

        with closing(Ledger(home)) as ledger:
            ring = ledger.checked().ring
            for role in ("runner", "gate"):
                ledger._machine_key(role, ring)
        return ""

    return read


def _publication(home: Home, candidate: str) -> Callable[[Path], str]:
    from torghut_assets.cli.driver import Driver
    from torghut_assets.cli.instance import instance_of

    with instance_of(home) as instance:
        report = Driver(home, instance).gate_report(candidate, SNAPSHOT)

    def read(_: Path) -> str:
        from torghut_assets.resources.reports import read_published

        read_published(home, report)
        return ""

    return read


def _submission(home: Home) -> Callable[[Path], str]:
    """Ask the condition of the pipeline that compares the file with the record made of it."""
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.definitions import stage_desk
    from torghut_assets.domain.stages.conditions import judge as condition
    from torghut_assets.domain.stages.evidence import Outcome
    from torghut_assets.resources.stage_desk import Subject

    def read(path: Path) -> str:
        with instance_of(home) as instance:
            subject = Subject(path.stem, SNAPSHOT)
            evidence = stage_desk(home).evidence(instance, subject)
            found = condition("specification_is_the_submission", evidence)
        return "" if found.outcome is Outcome.PASS else f"{path.name}: {found.detail}"

    return read


def _spec(path: Path) -> str:
    from torghut_assets.domain.candidates.parse import parse_candidate_spec

    return parse_candidate_spec(path.read_bytes(), location=path.name).digest


def _key_bytes(path: Path) -> bytes:
    """Return the key that is in a file, not its spelling."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key: Any = load_pem_private_key(path.read_bytes(), None)
    return bytes(key.private_bytes_raw())
