"""Bars that come twice, late or in the wrong order: in a data source, and under paper sessions.

The embedded bars are written into a folder of CSV files, of which a fifth of the rows is
disturbed. A snapshot must be refused by name or hold exactly the undisturbed bars; a session must
be traded as without the disturbance, or refused until the bars are right.
"""

import random
import shutil
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
from evaluated_examples import PASSING

import torghut_assets
from torghut_assets.resources.home import Home

from . import TESTS, judge, workbench
from .scenes import prepare
from .table import Row
from .workbench import commands

HOW: Final = ("twice", "twice and different", "out of order", "late")
_SHARE: Final = 0.2
_SESSION, _AS_OF = "2022-01-03", "2021-12-31"
_LAST: Final = "2022-01-31"
_SNAPSHOT: Final = f"my-megacaps@{_AS_OF}"
_UNIVERSE: Final = """
universes:
  - name: my-megacaps
    title: Six US technology shares from a folder
    symbols: [AAPL, AMZN, GOOG, META, NFLX, NVDA]
    frequency: 1d
    calendar: XNYS
    source:
      kind: folder
      path: ../bars
      title: The embedded bars as files
      licence: as the embedded bars
    start: 2013-01-02
    max_staleness_sessions: 5
    caveats: [A copy of the embedded bars.]
"""
_TAKE: Final = ("snapshot", "take", "my-megacaps", "--as-of", _AS_OF)
_TRADE: Final = ("session", "run", PASSING, "--session", _SESSION)


def disturb_bars(points: int, seed: int, folder: Path) -> list[Row]:
    """Disturb a fifth of the bars, first under a snapshot and then under a session."""
    snapshots = Row("bars (20 %) under a snapshot", "backtest_robustness", seed)
    sessions = Row("bars (20 %) under a session", "shadow_paper_deployment", seed)
    draw = random.Random(f"{seed} bars")
    empty = _home(folder / "bars-empty")
    taken = workbench.copied(empty, folder / "bars-taken")
    _expect(workbench.call(taken, commands([_TAKE])), (0,))
    snapshot = _state(taken)
    for number in range(points):
        home = workbench.copied(empty, folder / f"bars-{number}")
        _under_a_snapshot(snapshots, HOW[number % len(HOW)], draw, home, snapshot)
        shutil.rmtree(home)
    admitted = workbench.copied(taken, folder / "bars-admitted")
    candidate = _write_candidate(admitted)
    run = ("run", PASSING, "--snapshot", _SNAPSHOT)
    ready = commands([("candidate", "add", str(candidate)), run, ("session", "deploy", PASSING)])
    _expect(workbench.call(admitted, ready), (0,))
    traded = workbench.copied(admitted, folder / "bars-traded")
    _expect(workbench.call(traded, commands([_TRADE])), (0,))
    session = _state(traded)
    for number in range(points):
        home = workbench.copied(admitted, folder / f"bars-{number}")
        _under_a_session(sessions, HOW[number % len(HOW)], draw, home, session)
        shutil.rmtree(home)
    return [snapshots, sessions]


def _under_a_snapshot(
    row: Row, how: str, draw: random.Random, home: Path, undisturbed: dict[str, Any]
) -> None:
    _disturb(home, how, draw)
    ended = workbench.call(home, commands([_TAKE]))
    code, _, said = ended.value or (ended.code, "", "it died")
    row.points += 1
    named = {"twice": "one bar per symbol", "twice and different": "one bar per symbol"}
    if code == 0:
        row.note(judge.compare(undisturbed, _state(home)), how)
    elif code not in (3, 4) or "Traceback" in said:
        row.note(judge.Difference(broken=[f"{code}: {said[-300:]}"]), how)
    elif how in named and "no_duplicates" not in said and named[how] not in said:
        row.note(judge.Difference(broken=[f"not named: {said[-300:]}"]), how)
    _write_bars(home / "bars", _embedded())
    _expect(workbench.call(home, commands([_TAKE])), (0,))
    row.note(judge.compare(undisturbed, _state(home)), f"{how}, put right")


def _under_a_session(
    row: Row, how: str, draw: random.Random, home: Path, undisturbed: dict[str, Any]
) -> None:
    _disturb(home, how, draw)
    ended = workbench.call(home, commands([_TRADE]))
    code, _, said = ended.value or (ended.code, "", "it died")
    row.points += 1
    if code not in (0, 1, 3, 4) or "Traceback" in said:
        row.note(judge.Difference(broken=[f"{code}: {said[-300:]}"]), how)
    if code == 0:  # traded: then exactly as without the disturbance
        row.note(judge.compare(undisturbed, _state(home)), how)
    orders = _state(home)["held"]["broker orders"]
    if code and orders:
        row.note(judge.Difference(duplicated=[f"{len(orders)} orders on bad bars"]), how)
    _write_bars(home / "bars", _embedded())
    resumed = workbench.call(home, commands([_TRADE]))
    row.longest_resume_s = max(row.longest_resume_s, resumed.seconds)
    if resumed.value is None or resumed.value[0] != 0:
        row.note(
            judge.Difference(broken=[f"no resume: {said[-400:]} THEN {str(resumed.value)[-400:]}"]),
            how,
        )
        return
    row.note(judge.compare(undisturbed, _state(home)), f"{how}, put right")


def _home(root: Path) -> Path:
    workbench.call(root, prepare)
    (root / "universes" / "mine.yaml").write_text(_UNIVERSE)
    _write_bars(root / "bars", _embedded())
    return root


def _write_candidate(home: Path) -> Path:
    text = (TESTS.parent / "candidates" / f"{PASSING}.yaml").read_text()
    path = home.with_name("candidate.yaml")
    path.write_text(text.replace("universe: us-megacaps", "universe: my-megacaps", 1))
    return path


def _embedded() -> list[dict[str, Any]]:
    path = Path(torghut_assets.__file__).parent / "data" / "us-megacaps" / "bars.parquet"
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    for row in rows:
        row["time"] = str(row.pop("time", None) or row.pop("date", None))[:10]
    return [row for row in rows if row["time"] <= _LAST]


def _write_bars(folder: Path, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(exist_ok=True)
    pc.write_csv(pa.Table.from_pylist(rows), folder / "bars.csv")


def _disturb(home: Path, how: str, draw: random.Random) -> None:
    """Disturb a fifth of the rows."""
    rows = _embedded()
    chosen = sorted(draw.sample(range(len(rows)), int(_SHARE * len(rows))))
    if how == "late":  # what should be there at the end is not there yet
        days = sorted({row["time"] for row in rows})
        before = [day for day in days if day <= _AS_OF]
        missing = set(before[-(1 + draw.randrange(20)) :]) | {d for d in days if d > _AS_OF}
        rows = [row for row in rows if row["time"] not in missing]
    elif how == "out of order":
        places = chosen[:]
        draw.shuffle(places)
        moved = [rows[place] for place in places]
        for place, row in zip(chosen, moved, strict=True):
            rows[place] = row
    else:
        for place in reversed(chosen):
            again = dict(rows[place])
            if how == "twice and different":
                for name in ("open", "high", "low", "close"):
                    again[name] = again[name] * 1.01
            rows.insert(place + 1, again)
    _write_bars(home / "bars", rows)


def _state(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = workbench.call(
        home, lambda: judge.state_of(Home.from_environment())
    ).value
    return found


def _expect(ended: workbench.Ended, codes: tuple[int, ...]) -> None:
    if ended.value is None or ended.value[0] not in codes:
        raise RuntimeError(f"undisturbed: {ended}")
