"""Builds: what is frozen, and that a bad plugin is a verdict while a wrong one is an error."""

import json

import pytest

from torghut_assets.domain.candidates.build import build_strategy
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.candidates.strategy import LoadedStrategy
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import parse_record
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.strategies.calendar_pattern_v1 import STRATEGY as CALENDAR
from torghut_assets.strategies.moving_average_trend_v1 import (
    MovingAverageTrend,
    MovingAverageTrendParameters,
)


@pytest.fixture
def spec(document):
    return parse_record(CandidateSpec, {**document, "parent": None}, location="x")


def loaded(strategy):
    return LoadedStrategy(strategy=strategy, code_digest="c" * 64, module="some.module")


def test_a_build_freezes_code_parameters_and_schema(spec):
    build = build_strategy(spec, loaded(MovingAverageTrend()))
    assert build.verdict is Verdict.PASS
    assert build.spec_digest == spec.digest
    assert (build.code_digest, build.code_module) == ("c" * 64, "some.module")
    assert build.warm_up_bars == 100
    assert build.parameters == {
        **MovingAverageTrendParameters().model_dump(),
        "fast_bars": 20,
        "slow_bars": 100,
    }
    assert json.loads(build.parameter_schema_json)["properties"]["fast_bars"]["maximum"] == 500
    assert build == build_strategy(spec, loaded(MovingAverageTrend()))
    stored = StrategyBuild.from_canonical_bytes(build.canonical_bytes(), location="x")
    assert stored.digest == build.digest


def test_a_plugin_that_raises_gives_a_build_that_fails(spec):
    class Broken(MovingAverageTrend):
        def warm_up_bars(self, parameters):  # noqa: ARG002
            raise RuntimeError("broken")

    build = build_strategy(spec, loaded(Broken()))
    assert build.verdict is Verdict.FAIL
    assert build.warm_up_bars == 0
    assert len(build.results) == 16


def test_another_plugin_than_the_one_named_is_refused(spec):
    with pytest.raises(BadInputError, match=r"plugin calendar-pattern 1\.0\.0"):
        build_strategy(spec, loaded(CALENDAR))


def test_a_point_that_the_plugin_refuses_is_no_build(spec):
    bad = spec.model_copy(update={"parameters": {"fast_bars": 100, "slow_bars": 20}})
    with pytest.raises(BadInputError, match="less than slow_bars"):
        build_strategy(bad, loaded(MovingAverageTrend()))
