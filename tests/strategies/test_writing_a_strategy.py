"""The guide to writing a strategy does what it says."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from torghut_assets.domain.candidates.conformance import run_conformance
from torghut_assets.domain.candidates.grid import parameter_grid
from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.strategy_plugins import GROUP

GUIDE = (Path(__file__).parents[2] / "docs" / "writing-a-strategy.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, flags=re.DOTALL)


@pytest.fixture
def guide_plugin():
    def load(change=lambda code: code):
        namespace = {"__name__": "breakout"}
        exec(compile(change(blocks("python")[0]), "breakout.py", "exec"), namespace)
        return namespace

    return load


def test_the_plugin_of_the_guide_keeps_the_contract(guide_plugin, capsys):
    namespace = guide_plugin()
    exec(blocks("python")[1], namespace)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(re.findall(r"^\| `\w+` \|", GUIDE, flags=re.MULTILINE))
    assert all(line.startswith("pass ") for line in lines)


def test_the_table_of_tests_is_the_suite(guide_plugin):
    namespace = guide_plugin()
    results = run_conformance(namespace["STRATEGY"], namespace["BreakoutParameters"]())
    assert re.findall(r"^\| `(\w+)` \|", GUIDE, flags=re.MULTILINE) == [r.test for r in results]


def test_the_mistake_of_the_guide_is_found_with_the_words_of_the_guide(guide_plugin):
    mistake = re.search(r"with `(high.*?)` after", GUIDE).group(1)

    def change(code):
        line = "windows.max(axis=-1)\n"
        assert line in code
        return code.replace(line, f"{line}            {mistake}\n")

    namespace = guide_plugin(change)
    results = run_conformance(namespace["STRATEGY"], namespace["BreakoutParameters"]())
    failed = [r for r in results if r.verdict is Verdict.FAIL]
    assert f"{failed[0].test}: {failed[0].detail}\n" == blocks("text")[0]


def test_the_candidate_and_the_entry_point_of_the_guide_are_valid(guide_plugin):
    namespace = guide_plugin()
    spec = parse_candidate_spec(blocks("yaml")[0].encode(), location="guide")
    grid = parameter_grid(spec, namespace["BreakoutParameters"])
    assert len(grid.points) == spec.grid_points == 18
    assert spec.strategy.type == namespace["STRATEGY"].name
    points = tomllib.loads(blocks("toml")[0])["project"]["entry-points"][GROUP]
    assert list(points) == [spec.strategy.type]


def test_the_candidate_of_the_guide_names_every_field():
    spec = parse_candidate_spec(blocks("yaml")[0].encode(), location="guide")
    assert set(yaml.safe_load(blocks("yaml")[0])) == set(type(spec).model_fields)
