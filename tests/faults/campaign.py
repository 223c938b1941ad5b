"""All faults in one run, each kind with its own number of points."""

import sys
from collections.abc import Iterator
from pathlib import Path

from . import disk_full, kills, scenes, workbench
from .table import Row, rendered


def campaign(seed: int, points: int | None, only: list[str] | None) -> int:
    """Do faults, print the table; 1 if anything was lost, doubled or not noticed."""
    workbench.warm_up()
    rows: list[Row] = []
    with workbench.workplace() as folder:
        for row in _rows(seed, points, frozenset(only or ()), folder):
            rows.append(row)
            print(f"{row.fault}: {row.points} points", file=sys.stderr, flush=True)
            for detail in row.details:
                print(f"  {detail}", file=sys.stderr, flush=True)
    print(rendered(rows))
    return 0 if rows and all(row.is_clean for row in rows) else 1


def _rows(seed: int, points: int | None, only: frozenset[str], folder: Path) -> Iterator[Row]:
    named = only & {scene.name for scene in scenes.SCENES}
    how = only - named
    for stage in scenes.stages(folder / "scenes", named or None):
        for kind in kills.HOW:
            if not how or kind in how:
                yield kills.kill_all_over(stage, kind, points or 10, seed, folder)
        for kind in disk_full.HOW:
            if not how or kind in how:
                yield disk_full.fill_at_writes(stage, kind, points or 8, seed, folder)
        if not how or "small disk" in how:
            row = disk_full.fill_a_small_disk(stage, points or 4, seed, folder)
            if row is not None:
                yield row
