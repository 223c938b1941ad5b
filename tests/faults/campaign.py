"""All faults in one run, each kind with its own number of points."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from . import (
    bars,
    clocks,
    daemons,
    damage,
    disk_full,
    kills,
    launches,
    postgres,
    scenes,
    workbench,
)
from .table import Row, rendered

_LIGHT: Final = frozenset({"first use", "intake"})
_STEPPED: Final = ("build", "session")
_LAUNCHED: Final = ("evaluation", "session")


def campaign(seed: int, points: int | None, only: list[str] | None) -> int:
    """Do faults, print the table; 1 if anything was lost, doubled or not noticed."""
    scene_names = {scene.name for scene in scenes.SCENES}
    workbench.warm_up(light=bool(named := scene_names & set(only or ())) and named <= _LIGHT)
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
    scene_names = {scene.name for scene in scenes.SCENES}
    named, how = only & scene_names, only - scene_names
    homes: dict[str, Path] = {}
    if not how or how - {"postgres", "bars"}:
        for stage in scenes.stages(folder / "scenes", named or None):
            homes[stage.scene.life] = stage.after
            yield from _of_stage(stage, (seed, points), how, folder)
    if named:
        return
    if not how or "damage" in how:
        ends = [homes[life] for life in ("passes", "drifts")]
        yield from damage.damage_all(ends, points or 1000, seed)
    if not how or "postgres" in how:
        row = postgres.restart_at(points or 50, seed, folder)
        yield from [row] if row else []
    if not how or "bars" in how:
        yield from bars.disturb_bars(points or 8, seed, folder)


def _of_stage(
    stage: scenes.Stage, amount: tuple[int, int | None], how: frozenset[str], folder: Path
) -> Iterator[Row]:
    seed, points = amount
    for kind in kills.HOW:
        if not how or kind in how:
            yield kills.kill_all_over(stage, kind, points or 9, seed, folder)
    for kind in disk_full.HOW:
        if not how or kind in how:
            yield disk_full.fill_at_writes(stage, kind, points or 8, seed, folder)
    if stage.scene.name in _STEPPED and (not how or "clock" in how):
        yield clocks.step_the_clock(stage, points or 9, seed, folder)
    if stage.scene.name in _LAUNCHED and (not how or "launches" in how):
        yield launches.launch_at_once(stage, points or 20, seed, folder)
    if stage.scene.name == "rollback" and (not how or "ticks" in how):
        yield launches.tick_again(stage, points or 100, seed, folder)
    if stage.scene.name == "rollback" and (not how or "daemons" in how):
        yield daemons.two_daemons(stage, seed, folder)
    if not how or "small disk" in how:
        row = disk_full.fill_a_small_disk(stage, points or 4, seed, folder)
        if row is not None:
            yield row
