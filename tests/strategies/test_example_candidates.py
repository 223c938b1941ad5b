"""The candidate files that ship: they parse, build and say what they are."""

from pathlib import Path

import pytest

from torghut_assets.domain.candidates.build import build_strategy
from torghut_assets.domain.candidates.grid import parameter_grid
from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.strategy_plugins import load_strategy

FILES = sorted((Path(__file__).parents[2] / "candidates").glob("*.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_example_parses_and_its_build_passes(path):
    spec = parse_candidate_spec(path.read_bytes(), location=path.name)
    assert spec.candidate_id == path.stem
    loaded = load_strategy(spec.strategy.type, spec.strategy.version)
    grid = parameter_grid(spec, loaded.strategy.parameters_type)
    assert len(grid.points) == spec.grid_points
    assert grid.refused == 0
    assert build_strategy(spec, loaded).verdict is Verdict.PASS


def test_there_is_one_example_of_each_family():
    specs = [parse_candidate_spec(path.read_bytes(), location=path.name) for path in FILES]
    assert {spec.strategy.type for spec in specs} >= {
        "time-series-momentum",
        "mean-reversion",
        "moving-average-trend",
        "calendar-pattern",
    }
    sizes = {spec.candidate_id: spec.grid_points for spec in specs}
    assert sizes["calendar-overfit-v1"] >= 200
    assert all(6 <= n <= 30 for name, n in sizes.items() if name != "calendar-overfit-v1")
