"""How many random edits of packs, ledger, store and Dagster database go unnoticed? None may.

    python tests/mutation/mutate_pack.py HOME --edits 1000 --seed 20260302

HOME is a home in which `tsmom-megacaps-v1` was evaluated; it is copied, never changed. Each edit
is made on a copy of what was whole; an edit is detected if it is refused with a named fault. The
score and the faults are printed; exit status 0 if all were detected.
"""

import argparse
import collections
import json
import random
import shutil
import sqlite3
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from pack_examples import (  # noqa: E402 - path first
    checked,
    contents_of,
    listed_anew,
    sealed_contents,
    summed,
    written,
)

from torghut_assets.domain.audit.manifest import MANIFEST, UNLISTED, AuditPack, entry_name  # noqa: E402 - path first
from torghut_assets.domain.errors import TorghutError  # noqa: E402 - path first
from torghut_assets.domain.evidence.ledger_tree import leaf_hash  # noqa: E402 - path first
from torghut_assets.resources.home import Home  # noqa: E402 - path first
from torghut_assets.resources.ledger import Ledger  # noqa: E402 - path first

CANDIDATE, SNAPSHOT = "tsmom-megacaps-v1", "us-megacaps@2021-12-31"
SHARES = {"pack bytes": 35, "pack files": 25, "pack rebuilt": 20, "pack forged": 1}
SHARES |= {"ledger": 10, "store": 6, "index": 3}


class Ground:
    """A copy of a home with a pack of it, its anchor, and what was whole."""

    def __init__(self, home_folder: Path, work: Path) -> None:
        from click.testing import CliRunner

        from torghut_assets.cli.audit_export import export

        self.work = work
        root = work / "home"
        shutil.copytree(home_folder, root)
        self.home = Home.at(root)
        self.pack = work / "pack.zip"
        done = CliRunner(env={"TORGHUT_HOME": str(root)}).invoke(
            export,
            [CANDIDATE, "--snapshot", SNAPSHOT, "--out", str(self.pack)],
            catch_exceptions=False,
        )
        assert done.exit_code == 0, done.output
        self.whole = self.pack.read_bytes()
        self.contents = contents_of(self.pack)
        self.manifest = AuditPack.from_canonical_bytes(self.contents[MANIFEST], location="pack")
        with closing(Ledger(self.home)) as ledger:
            head = ledger.head()
        assert head is not None
        self.anchor = head[1]
        with closing(sqlite3.connect(self.home.ledger_path)) as database:
            database.execute("pragma wal_checkpoint(truncate)")  # one file holds it all
        self.ledger = self.home.ledger_path.read_bytes()
        self.index = root / "dagster/history/runs/index.db"
        self.edited = work / "edited.zip"
        checked(self.pack, self.anchor)

    def judge_pack(self, payload: bytes) -> None:
        self.edited.write_bytes(payload)
        checked(self.edited, self.anchor)


def edit_pack_bytes(ground: Ground, choice: random.Random) -> None:
    """Edit the file as somebody does who does not know what a ZIP file is."""
    data = bytearray(ground.whole)
    at = choice.randrange(len(data))
    other, length = choice.randrange(len(data)), choice.randrange(1, 400)
    way = choice.choice(["bit", "bit", "bit", "delete", "repeat", "swap", "cut", "zero", "append"])
    if way == "bit":
        data[at] ^= 1 << choice.randrange(8)
    elif way == "delete":
        del data[at : at + length]
    elif way == "repeat":
        data[at:at] = data[at : at + length]
    elif way == "swap":
        one, two = data[at : at + length], data[other : other + length]
        data[at : at + length], data[other : other + length] = two, one
    elif way == "cut":
        del data[at:]
    elif way == "zero":
        data[at : at + length] = bytes(len(data[at : at + length]))
    else:
        data += choice.randbytes(length)
    if bytes(data) == ground.whole:
        data[at] ^= 1
    ground.judge_pack(bytes(data))


def edit_contents(ground: Ground, choice: random.Random) -> dict[str, bytes]:
    """Edit, delete, swap, add or rename one file of a pack."""
    contents = dict(ground.contents)
    kinds = sorted({name.partition("/")[0] for name in contents} - {"SHA256SUMS"})
    kind = choice.choice(kinds)
    names = [name for name in contents if name.partition("/")[0] == kind]
    name = choice.choice(names)
    payload = contents[name]
    way = choice.choice(["bit", "field", "field", "delete", "swap", "add", "rename"])
    if way == "delete":
        del contents[name]
    elif way == "swap":
        other = choice.choice([n for n in contents if contents[n] != payload and n != "SHA256SUMS"])
        contents[name], contents[other] = contents[other], payload
    elif way == "add":
        number = choice.randrange(10**9)
        contents[f"{kind}/{number:010d}.json" if "/" in name else f"more-{number}"] = payload
    elif way == "rename":
        contents[name[:-6] + ("0" if name[-6] != "0" else "1") + name[-5:]] = contents.pop(name)
    elif way == "field" and payload[:1] == b"{":
        contents[name] = with_other_field(payload, choice)
    else:
        flipped = bytearray(payload)
        flipped[choice.randrange(len(flipped))] ^= 1 << choice.randrange(8)
        contents[name] = bytes(flipped)
    return contents


def with_other_field(payload: bytes, choice: random.Random) -> bytes:
    """Give one value of a JSON document another value of the same type, canonically."""
    document = json.loads(payload)
    places: list[tuple[dict | list, str | int]] = []

    def walk(value: object) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, child in items:
            if isinstance(child, dict | list):
                walk(child)
            else:
                places.append((value, key))

    walk(document)
    holder, key = choice.choice(places)
    old = holder[key]
    if isinstance(old, bool) or old is None:
        holder[key] = not old
    elif isinstance(old, int | float):
        holder[key] = old + 1
    else:
        holder[key] = old[:-1] + ("0" if old[-1:] != "0" else "1")
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def edit_pack_files(ground: Ground, choice: random.Random) -> None:
    """Edit a file; the container and SHA256SUMS are made anew, so that they agree."""
    written(ground.edited, summed(edit_contents(ground, choice)))
    checked(ground.edited, ground.anchor)


def edit_pack_rebuilt(ground: Ground, choice: random.Random) -> None:
    """Edit a file; container, SHA256SUMS and pack.json are made anew: every hash is right."""
    contents = edit_contents(ground, choice)
    if MANIFEST in contents:
        try:
            contents = listed_anew(contents)
        except (ValueError, KeyError):  # the edit hit pack.json itself
            contents = summed(contents)
    if contents == ground.contents:  # the edit was in pack.json, and was made good by that
        contents = listed_anew({**contents, "more.json": b"{}"})
    written(ground.edited, contents)
    checked(ground.edited, ground.anchor)


def edit_pack_forged(ground: Ground, choice: random.Random) -> None:
    """Build a whole pack with keys and a ledger of one's own: everything in it is valid."""
    with tempfile.TemporaryDirectory(dir=ground.work) as folder:
        forger = Home.at(Path(folder))
        forger.prepare()
        listed = {
            name: payload
            for name, payload in ground.contents.items()
            if name not in UNLISTED and not name.startswith("ledger/")
        }
        for _ in range(Ledger(ground.home).checked().size):  # as long as the ledger it replaces
            Ledger(forger).append("backtest", {"record": "a" * 64}, ground.manifest)
        for entry in Ledger(forger).entries()[: choice.randrange(1, 3)]:
            listed[entry_name(entry.sequence)] = entry.payload
        contents = sealed_contents(forger, listed, ground.manifest.held)
        written(ground.edited, contents)
    checked(ground.edited)  # alone it is as whole as the other: only the anchor convicts it
    checked(ground.edited, ground.anchor)


def edit_ledger(ground: Ground, choice: random.Random) -> None:
    """Edit, delete, duplicate, move or swap rows of the ledger; leaf hashes are made anew."""
    home = Home.at(ground.work / f"ledger-{choice.getrandbits(64):x}")  # nobody has it open
    for folder in ("keys", "anchors"):
        shutil.copytree(ground.home.root / folder, home.root / folder)
    path = home.ledger_path
    path.parent.mkdir()
    path.write_bytes(ground.ledger)
    with closing(sqlite3.connect(path)) as database, database:
        for name in ("entries_delete", "entries_update", "heads_delete", "heads_update"):
            database.execute(f"drop trigger if exists {name}")
        database.execute("pragma foreign_keys = off")
        table, key = choice.choice([("entries", "sequence")] * 2 + [("heads", "tree_size")])
        rows = database.execute(f"select {key}, payload from {table}").fetchall()
        number, payload = choice.choice(rows)
        way = choice.choice(["bit", "field", "delete", "move", "swap", "duplicate"])
        if way == "delete":
            database.execute(f"delete from {table} where {key} = ?", (number,))
        elif way == "move":
            database.execute(f"update {table} set {key} = {key} + 100 where {key} = ?", (number,))
        elif way == "duplicate":
            values = (len(rows) + 1, "f" * 64, payload)
            if table == "entries":
                database.execute("insert into entries values (?, ?, ?)", values)
            else:
                database.execute("insert into heads values (?, ?)", values[::2])
        else:
            edited = bytearray(payload)
            if way == "bit":
                edited[choice.randrange(len(edited))] ^= 1 << choice.randrange(8)
            elif way == "field":
                edited = bytearray(with_other_field(payload, choice))
            else:
                edited = bytearray(choice.choice([p for n, p in rows if n != number]))
            database.execute(
                f"update {table} set payload = ? where {key} = ?", (bytes(edited), number)
            )
            if table == "entries" and way != "swap":
                database.execute(
                    "update entries set leaf_hash = ? where sequence = ?",
                    (leaf_hash(bytes(edited)).hex(), number),
                )
    with closing(Ledger(home)) as ledger:
        ledger.verify(ground.anchor)


def edit_store(ground: Ground, choice: random.Random) -> None:
    """Edit, delete, cut or swap an artifact that the pack names."""
    store = ground.home.store
    digests = sorted(
        {
            name.rpartition("/")[2].partition(".")[0]
            for name in ground.manifest.files
            if name.startswith(("records/", "tables/"))
        }
    )
    digest, other = choice.sample(digests, 2)
    path = store.path_of(digest)
    whole = path.read_bytes()
    way = choice.choice(["bit", "delete", "cut", "swap", "empty"])
    edited = bytearray(whole)
    edited[choice.randrange(len(edited))] ^= 1 << choice.randrange(8)
    new = {
        "bit": bytes(edited),
        "cut": whole[: choice.randrange(len(whole))],
        "swap": store.path_of(other).read_bytes(),
        "empty": b"",
    }
    path.unlink()
    try:
        if way != "delete":
            path.write_bytes(new[way])
        for each in digests:
            store.get(each)
    finally:
        path.unlink(missing_ok=True)
        path.write_bytes(whole)


def edit_index(ground: Ground, choice: random.Random) -> None:
    """Point an asset at another record, move or rename its materializations, or delete them."""
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.resources.pack_desk import require_current

    item = choice.choice(ground.manifest.held)
    other = choice.choice([h for h in ground.manifest.held if h.digest != item.digest])
    with closing(sqlite3.connect(ground.index)) as database:
        named = (f"%{item.digest}%",)
        rows = database.execute("select * from event_logs where event like ?", named).fetchall()
        assert rows
        ways = ["point", "point", "delete", "asset", "type"]
        way = choice.choice(ways if item.partition is None else [*ways, "partition"])
        if way == "point":
            database.execute(
                "update event_logs set event = replace(event, ?, ?) where event like ?",
                (item.digest, other.digest, *named),
            )
        elif way == "delete":
            database.execute("delete from event_logs where event like ?", named)
        elif way == "partition":
            moved = ("somebody-else-v1|us-megacaps@2021-12-31", *named)
            database.execute("update event_logs set partition = ? where event like ?", moved)
        elif way == "asset":
            moved = (f'["{other.asset}"]', *named)
            database.execute("update event_logs set asset_key = ? where event like ?", moved)
        else:
            moved = ("ASSET_OBSERVATION", *named)
            database.execute(
                "update event_logs set dagster_event_type = ? where event like ?", moved
            )
        database.commit()
        try:
            with instance_of(ground.home) as instance:
                require_current(instance, ground.manifest)
        finally:
            places = ", ".join("?" * len(rows[0]))
            database.executemany(f"replace into event_logs values ({places})", rows)
            database.commit()


EDITS: dict[str, Callable[[Ground, random.Random], None]] = {
    "pack bytes": edit_pack_bytes,
    "pack files": edit_pack_files,
    "pack rebuilt": edit_pack_rebuilt,
    "pack forged": edit_pack_forged,
    "ledger": edit_ledger,
    "store": edit_store,
    "index": edit_index,
}


def run(ground: Ground, edits: int, seed: int) -> tuple[collections.Counter[str], list[str]]:
    """Make so many edits; return how often each fault was named, and what survived."""
    choice = random.Random(seed)
    total = sum(SHARES.values())
    plan = [t for t, share in SHARES.items() for _ in range(max(1, round(edits * share / total)))]
    faults: collections.Counter[str] = collections.Counter()
    survived = []
    for number, target in enumerate(plan):
        own = random.Random(choice.randrange(2**63))
        try:
            EDITS[target](ground, own)
        except TorghutError as error:
            faults[f"{target}: {getattr(error, 'fault', None) or type(error).__name__}"] += 1
        else:
            survived.append(f"edit {number} of {target}, seed {seed}")
    return faults, survived


@contextmanager
def ground_of(home_folder: Path) -> Iterator[Ground]:
    with tempfile.TemporaryDirectory() as folder:
        yield Ground(home_folder, Path(folder))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--edits", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=20260302)
    asked = parser.parse_args()
    with ground_of(asked.home) as ground:
        assert zipfile.is_zipfile(ground.pack)
        faults, survived = run(ground, asked.edits, asked.seed)
    for name, count in sorted(faults.items()):
        print(f"{count:6d}  {name}")
    for text in survived:
        print(f"SURVIVED  {text}")
    made = faults.total() + len(survived)
    print(f"score: {faults.total()} of {made} edits detected, {100 * faults.total() / made:.1f} %")
    return 1 if survived else 0


if __name__ == "__main__":
    sys.exit(main())
