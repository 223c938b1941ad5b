"""The conformance suite: shipped plugins pass, and each way of being wrong is found by name."""

# ruff: noqa: ARG002, ARG003 - bad plugins ignore what they are given; that is the point

from typing import Literal

import numpy as np
import pytest
from pydantic import BaseModel, ConfigDict, Field

from torghut_assets.domain.candidates.conformance import LOOK_AHEAD_TESTS, run_conformance
from torghut_assets.domain.candidates.examinee import MAX_WARM_UP_BARS
from torghut_assets.domain.candidates.look_ahead import cut_points
from torghut_assets.domain.candidates.panels import EXAMINED_BARS, examination_panels
from torghut_assets.domain.candidates.strategy import FEATURES, STALE_BARS, StrategyParameters
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.strategies.building_blocks import finished_weights, simple_returns

TESTS = (
    "parameters_are_bounded",
    "warm_up_is_stated",
    "inputs_are_not_changed",
    "returns_weights",
    "weights_are_finite",
    "takes_positions",
    "same_input_same_bytes",
    "truncation_invariance",
    "changed_future_changes_nothing",
    "warm_up_emits_nothing",
    "missing_bars_get_no_weight",
    "stale_symbols_get_no_weight",
    "gross_within_limit",
    "declared_features_suffice",
    "other_points_keep_the_contract",
    "grid_program_agrees",
)


class Parameters(StrategyParameters):
    lookback_bars: int = Field(default=10, ge=5, le=100, description="Bars of the past return.")


class Good:
    """Equal weights in the direction of the past return."""

    name = "good-example"
    version = "1.0.0"
    parameters_type = Parameters
    required_features = ("close", "adjusted_close")
    max_gross = 1.0

    def warm_up_bars(self, parameters):
        return parameters.lookback_bars

    def raw(self, bars, parameters):
        past = simple_returns(bars.adjusted_close, parameters.lookback_bars)
        return np.sign(past) / bars.n_symbols

    def target_weights(self, bars, parameters):
        return finished_weights(
            self.raw(bars, parameters),
            bars,
            warm_up_bars=self.warm_up_bars(parameters),
            max_gross=1.0,
        )


def failures(strategy, parameters=None):
    results = run_conformance(strategy, parameters or strategy.parameters_type())
    assert tuple(r.test for r in results) == TESTS
    return {r.test: r.detail for r in results if r.verdict is Verdict.FAIL}


def not_run(strategy):
    results = run_conformance(strategy, strategy.parameters_type())
    return {r.test for r in results if r.verdict is Verdict.INCONCLUSIVE}


def test_a_good_plugin_passes_every_test():
    results = run_conformance(Good(), Parameters())
    assert tuple(r.test for r in results) == TESTS
    assert {r.verdict for r in results} == {Verdict.PASS}


def test_the_look_ahead_tests_are_among_the_tests():
    assert set(LOOK_AHEAD_TESTS) < set(TESTS)


def test_the_same_plugin_gets_the_same_results():
    assert run_conformance(Good(), Parameters()) == run_conformance(Good(), Parameters())


# --- look-ahead -------------------------------------------------------------------------


class PeeksOneBar(Good):
    def raw(self, bars, parameters):
        ahead = np.full(bars.close.shape, 0.0)
        ahead[:-1] = bars.adjusted_close[1:] - bars.adjusted_close[:-1]
        return np.sign(ahead) / bars.n_symbols


class PeeksAtTheLastBarOnly(Good):
    """Right in every row but the last one, which is where live trading happens."""

    def raw(self, bars, parameters):
        out = super().raw(bars, parameters)
        out[-1] *= 0.5
        return out


class NormalizesOverTheWholeSample(Good):
    def raw(self, bars, parameters):
        past = simple_returns(bars.adjusted_close, parameters.lookback_bars)
        score = (past - np.nanmean(past, axis=0)) / np.nanstd(past, axis=0)
        return np.clip(score, -1, 1) / bars.n_symbols


class FillsFromBehind(Good):
    """Looks ahead only where some symbol's bars are missing, and only in the others."""

    def raw(self, bars, parameters):
        filled = bars.adjusted_close.copy()
        for t in range(bars.n_bars - 2, -1, -1):
            hole = np.isnan(filled[t])
            filled[t, hole] = filled[t + 1, hole]
        market = np.nanmean(filled, axis=1, keepdims=True) + 0.0 * filled
        return np.sign(simple_returns(market, parameters.lookback_bars)) / bars.n_symbols


class RanksVolumeOverTheSample(Good):
    required_features = ("close", "adjusted_close", "volume")

    def raw(self, bars, parameters):
        heavy = bars.volume > np.nanmedian(bars.volume)
        return super().raw(bars, parameters) * np.where(heavy, 1.0, 0.5)


class RewritesItsPast(Good):
    """The newest row is right; older rows change when a bar arrives."""

    def raw(self, bars, parameters):
        out = super().raw(bars, parameters)
        out[: bars.n_bars // 2] *= 0.5
        return out


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the plugins' own arithmetic
@pytest.mark.parametrize(
    "peeking",
    [
        PeeksOneBar,
        PeeksAtTheLastBarOnly,
        NormalizesOverTheWholeSample,
        FillsFromBehind,
        RanksVolumeOverTheSample,
        RewritesItsPast,
    ],
)
def test_a_plugin_that_looks_ahead_is_refused(peeking):
    assert "truncation_invariance" in failures(peeking())


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "peeking", [PeeksOneBar, NormalizesOverTheWholeSample, RanksVolumeOverTheSample]
)
def test_changing_the_future_shows_look_ahead_too(peeking):
    assert "changed_future_changes_nothing" in failures(peeking())


def test_a_peek_only_when_all_bars_are_given_is_found_in_both_ways():
    class KnowsTheRealLength(Good):
        """Peeks in a full run only: cut data alone would look clean."""

        def raw(self, bars, parameters):
            out = super().raw(bars, parameters)
            if bars.n_bars == parameters.lookback_bars + EXAMINED_BARS:
                out[:-1] *= np.where(np.nan_to_num(bars.adjusted_close[1:]) > 40.0, 0.9, 1.0)
            return out

    assert set(failures(KnowsTheRealLength())) == set(LOOK_AHEAD_TESTS[:2])


def test_the_finding_names_the_panel_the_cut_and_the_row():
    detail = failures(PeeksOneBar())["truncation_invariance"]
    assert "trending panel cut after bar" in detail
    assert "as on all bars" in detail


@pytest.mark.parametrize("warm_up", [0, 1, 5, 250])
def test_there_are_at_least_fifty_cuts_and_the_edges_of_the_warm_up(warm_up):
    points = cut_points(warm_up + EXAMINED_BARS, warm_up)
    assert len([t for t in points if t >= warm_up]) >= 50
    assert {0, warm_up, warm_up + 1} | ({warm_up - 1} if warm_up else set()) <= set(points)
    assert max(points) == warm_up + EXAMINED_BARS - 2


# --- the rest of the contract -------------------------------------------------------------


class Changed(Good):
    """A good plugin whose finished weights are changed at the end."""

    def change(self, weights, bars, parameters):
        raise NotImplementedError

    def target_weights(self, bars, parameters):
        return self.change(super().target_weights(bars, parameters), bars, parameters)


class IgnoresWarmUp(Changed):
    def change(self, weights, bars, parameters):
        weights[0, 0] = 0.1
        return weights


class ExceedsGross(Changed):
    def change(self, weights, bars, parameters):
        return weights * 1.01


class TradesStale(Good):
    def target_weights(self, bars, parameters):
        raw = np.nan_to_num(self.raw(bars, parameters))
        raw[np.isnan(bars.close)] = 0.0
        return raw


class TradesMissing(Good):
    def target_weights(self, bars, parameters):
        out = super().target_weights(bars, parameters)
        out[np.isnan(bars.close)] = 0.01
        out[: parameters.lookback_bars] = 0.0
        return out


class NeverTrades(Changed):
    def change(self, weights, bars, parameters):
        return weights * 0.0


class ReturnsNaN(Changed):
    def change(self, weights, bars, parameters):
        weights[-1, 0] = np.nan
        return weights


class ReturnsInfinity(Changed):
    def change(self, weights, bars, parameters):
        weights[-1, 0] = np.inf
        return weights


class ReadsUndeclared(Good):
    def raw(self, bars, parameters):
        rising = np.nan_to_num(bars.high) > np.nan_to_num(bars.open)
        return super().raw(bars, parameters) * np.where(rising, 1.0, 0.5)


class Random(Changed):
    def __init__(self):
        self.rng = np.random.default_rng()

    def change(self, weights, bars, parameters):
        return weights * self.rng.uniform(0.5, 1.0)


class RemembersWhatItSaw(Changed):
    """Deterministic per sequence of calls, but a call changes the next one."""

    calls = 0

    def change(self, weights, bars, parameters):
        self.calls += 1
        return weights / self.calls


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    ("plugin", "test", "words"),
    [
        (IgnoresWarmUp, "warm_up_emits_nothing", "row 0, symbol 0: found 0.1"),
        (ExceedsGross, "gross_within_limit", "found 1.01"),
        (TradesStale, "stale_symbols_get_no_weight", f"0 after {STALE_BARS} unchanged bars"),
        (TradesMissing, "missing_bars_get_no_weight", "with gaps panel"),
        (NeverTrades, "takes_positions", "no weight other than 0"),
        (ReturnsNaN, "weights_are_finite", "found nan"),
        (ReturnsInfinity, "weights_are_finite", "found inf"),
        (ReadsUndeclared, "declared_features_suffice", "without open, high, low, volume"),
        (Random, "same_input_same_bytes", "expected the same bytes"),
        (RemembersWhatItSaw, "same_input_same_bytes", "second call"),
    ],
)
def test_each_breach_is_found_by_the_test_for_it(plugin, test, words):
    assert words in failures(plugin())[test]


@pytest.mark.parametrize(
    ("plugin", "test"),
    [
        (IgnoresWarmUp, "warm_up_emits_nothing"),
        (ExceedsGross, "gross_within_limit"),
        (TradesStale, "stale_symbols_get_no_weight"),
        (NeverTrades, "takes_positions"),
        (ReadsUndeclared, "declared_features_suffice"),
    ],
)
def test_a_single_breach_is_a_single_failure(plugin, test):
    assert set(failures(plugin())) == {test}


class MutatesDirectly(Good):
    def target_weights(self, bars, parameters):
        bars.close[0, 0] = 1.0
        return super().target_weights(bars, parameters)


class MutatesBehindTheView(Good):
    """Reaches through a read-only view to the array that it shows."""

    def target_weights(self, bars, parameters):
        out = super().target_weights(bars, parameters)
        owner = bars.volume if bars.volume.base is None else bars.volume.base
        owner[0, 0] = 1.0
        return out


class MutatesTimes(Good):
    def target_weights(self, bars, parameters):
        out = super().target_weights(bars, parameters)
        if bars.times.flags.writeable:
            bars.times[0] = np.datetime64("1999-01-01")
        return out


@pytest.mark.parametrize(
    ("plugin", "field"),
    [(MutatesDirectly, "close"), (MutatesBehindTheView, "volume"), (MutatesTimes, "times")],
)
def test_a_plugin_that_changes_its_input_is_refused(plugin, field):
    assert f"field {field}" in failures(plugin())["inputs_are_not_changed"]


class Raises(Good):
    def target_weights(self, bars, parameters):
        raise ZeroDivisionError("first line\nsecond \x1b[31mline")


class RaisesWhenShort(Good):
    def target_weights(self, bars, parameters):
        if bars.n_bars < 3:
            raise IndexError("too short")
        return super().target_weights(bars, parameters)


class ReturnsList(Changed):
    def change(self, weights, bars, parameters):
        return weights.tolist()


class ReturnsMasked(Changed):
    def change(self, weights, bars, parameters):
        return np.ma.masked_invalid(weights)


class ReturnsFloat32(Changed):
    def change(self, weights, bars, parameters):
        return weights.astype(np.float32)


class ReturnsLastRow(Changed):
    def change(self, weights, bars, parameters):
        return weights[-1]


class ReturnsNothing(Changed):
    def change(self, weights, bars, parameters):
        return None


@pytest.mark.parametrize(
    ("plugin", "words"),
    [
        (Raises, "ZeroDivisionError: first line second"),
        (ReturnsList, "found a list"),
        (ReturnsMasked, "found a MaskedArray"),
        (ReturnsFloat32, "found float32"),
        (ReturnsLastRow, "of shape (5,)"),
        (ReturnsNothing, "found a NoneType"),
    ],
)
def test_a_plugin_that_returns_no_weights_fails_and_the_rest_is_inconclusive(plugin, words):
    found = failures(plugin())
    assert words in found["returns_weights"]
    assert "\n" not in found["returns_weights"]
    assert not_run(plugin()) == set(TESTS[4:])


def test_a_plugin_that_raises_on_short_data_fails_that_test():
    assert "IndexError: too short" in failures(RaisesWhenShort())["truncation_invariance"]


@pytest.mark.parametrize("stated", [-1, 1.5, None, True, "10", MAX_WARM_UP_BARS + 1])
def test_a_warm_up_must_be_a_sensible_number(stated):
    class States(Good):
        def warm_up_bars(self, parameters):
            return stated

    assert set(failures(States())) == {"warm_up_is_stated"}
    assert not_run(States()) == set(TESTS[2:])


def test_a_warm_up_that_raises_is_a_finding():
    class RaisesEarly(Good):
        def warm_up_bars(self, parameters):
            raise KeyError("lookback")

    assert "KeyError" in failures(RaisesEarly())["warm_up_is_stated"]


@pytest.mark.parametrize("claimed", [0.0, -1.0, 11.0, float("nan"), float("inf"), "1", True, None])
def test_the_gross_limit_must_be_a_sensible_number(claimed):
    class Claims(Good):
        max_gross = claimed

    assert failures(Claims())["gross_within_limit"].startswith("max_gross: found")


@pytest.mark.parametrize("declared", [(), ["close"], ("close", "sentiment"), None])
def test_features_must_be_fields_of_bars(declared):
    class Declares(Good):
        required_features = declared

    assert "required_features" in failures(Declares())["declared_features_suffice"]


def test_a_plugin_that_reads_everything_may():
    class ReadsAll(ReadsUndeclared):
        required_features = FEATURES

    assert failures(ReadsAll()) == {}


# --- other points of the grid --------------------------------------------------------------


class Switched(StrategyParameters):
    lookback_bars: int = Field(default=10, ge=5, le=100, description="Bars of the past return.")
    fault: Literal["none", "peek", "gross", "nan", "missing", "warm-up", "raise"] = Field(
        default="none", description="What goes wrong."
    )


class GoodOnlyAtTheDeclaredPoint(Good):
    parameters_type = Switched

    def target_weights(self, bars, parameters):
        out = super().target_weights(bars, parameters)
        if parameters.fault == "peek":
            out[:-1] *= np.where(np.diff(np.nan_to_num(bars.close), axis=0) > 0, 1.0, 0.5)
        elif parameters.fault == "gross":
            out *= 1.5
        elif parameters.fault == "nan":
            out[-1, 0] = np.nan
        elif parameters.fault == "missing":
            out[np.isnan(bars.close)] = 0.01
            out[: parameters.lookback_bars] = 0.0
        elif parameters.fault == "warm-up":
            out[0, 0] = 0.01
        elif parameters.fault == "raise":
            raise OSError("no such point")
        return out


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("peek", "cut after bar"),
        ("gross", "a gross of at most 1.0"),
        ("nan", "all finite"),
        ("missing", "0 where the bar is missing"),
        ("warm-up", "0 before bar 30"),
        ("raise", "OSError: no such point"),
    ],
)
def test_a_fault_behind_another_grid_point_is_found_and_named(fault, words):
    others = (Switched(lookback_bars=20), Switched(lookback_bars=30, fault=fault))
    results = run_conformance(GoodOnlyAtTheDeclaredPoint(), Switched(), others)
    failed = {r.test: r.detail for r in results if r.verdict is not Verdict.PASS}
    assert set(failed) == {"other_points_keep_the_contract"}
    assert words in failed["other_points_keep_the_contract"]
    assert f"Switched(lookback_bars=30, fault='{fault}')" in str(failed)


def test_of_a_large_grid_two_hundred_points_are_examined_both_ends_included():
    good = tuple(Switched(lookback_bars=5 + i % 20) for i in range(299))
    results = run_conformance(GoodOnlyAtTheDeclaredPoint(), Switched(), good)
    assert results[-2].detail.startswith("200 of 299 other points")
    ends = (*good, Switched(fault="gross"))
    assert run_conformance(GoodOnlyAtTheDeclaredPoint(), Switched(), ends)[-2].verdict == "fail"


# --- parameters ---------------------------------------------------------------------------


class Unbounded(StrategyParameters):
    lookback_bars: int = Field(default=10, ge=5, description="No upper bound.")


class Undescribed(StrategyParameters):
    lookback_bars: int = Field(default=10, ge=5, le=10)


class FreeText(Parameters):
    label: str = Field(default="x", description="Anything goes.")


class Optional(Parameters):
    extra: int | None = Field(default=None, ge=1, le=2, description="Perhaps.")


class Lenient(BaseModel):
    model_config = ConfigDict(frozen=True)
    lookback_bars: int = Field(default=10, ge=5, le=100, description="Coerces, takes extras.")


class TakesExtras(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)
    lookback_bars: int = Field(default=10, ge=5, le=100, description="Takes extras.")


class TakesInfinity(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    lookback_bars: int = Field(default=10, ge=5, le=100, description="Bars.")
    scale: float = Field(
        default=1.0, description="x", json_schema_extra={"minimum": 0, "maximum": 2}
    )


class BrokenValidator(Parameters):
    @classmethod
    def model_json_schema(cls, *args, **kwargs):
        raise RuntimeError("no schema today")


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Unbounded, "no bound below or above"),
        (Undescribed, "no description"),
        (FreeText, "type string"),
        (Optional, "type None"),
        (Lenient, "5.0 accepted"),
        (TakesExtras, "no_such_parameter: found 1 accepted"),
        (TakesInfinity, "scale: found -5e-324 accepted"),
        (BrokenValidator, "RuntimeError: no schema today"),
    ],
)
def test_open_parameters_are_refused(model, words):
    class HasThem(Good):
        parameters_type = model

    assert words in failures(HasThem())["parameters_are_bounded"]


def test_choices_switches_and_open_intervals_are_bounded():
    class Rich(Parameters):
        side: Literal["long", "short"] = Field(default="long", description="Side.")
        only: Literal["x"] = Field(default="x", description="One choice.")
        switch: bool = Field(default=True, description="Switch.")
        share: float = Field(default=0.5, gt=0, lt=1, description="Inside (0, 1).")

    class HasThem(Good):
        parameters_type = Rich

    assert failures(HasThem()) == {}


# --- panels -------------------------------------------------------------------------------


@pytest.mark.parametrize("warm_up", [0, 3, 250])
def test_the_panels_contain_what_they_promise(warm_up):
    panels = {p.name: p.bars for p in examination_panels(warm_up)}
    assert {b.n_bars for b in panels.values()} == {warm_up + EXAMINED_BARS}
    assert panels["one symbol"].n_symbols == 1
    assert panels["thirty symbols"].n_symbols == 30
    gaps = np.isnan(panels["with gaps"].close)
    assert gaps[warm_up:].sum() > 100
    assert gaps[-1].any()
    assert all(np.array_equal(gaps, np.isnan(getattr(panels["with gaps"], f))) for f in FEATURES)
    still = panels["with standstills"].close
    assert (still[-1] == still[-STALE_BARS - 1]).any()
    jumps = np.abs(simple_returns(panels["volatile"].adjusted_close))
    assert np.nanmax(jumps) > 0.25


def test_bars_of_every_panel_are_sane():
    for panel in examination_panels(20):
        b = panel.bars
        seen = ~np.isnan(b.close)
        assert (b.low[seen] > 0).all()
        assert (b.low[seen] <= np.minimum(b.open, b.close)[seen] * (1 + 1e-12)).all()
        assert (b.high[seen] >= np.maximum(b.open, b.close)[seen] * (1 - 1e-12)).all()
        assert (np.diff(b.times) > np.timedelta64(0)).all()
        weekday = (b.times.astype("datetime64[D]").astype(int) + 3) % 7
        assert weekday.max() == 4
