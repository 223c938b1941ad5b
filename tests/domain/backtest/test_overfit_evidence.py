"""Overfitting evidence: one record from a backtest, its grid and the register's count."""

import json
import math

import numpy as np
import pytest
from register_examples import POLICY, Chain, digest
from simulated_markets import INPUTS, OverfitSettings, plan, settings, walk_forward

from torghut_assets.domain.backtest.deflation import deflated_sharpe_ratio, expected_max_sharpe
from torghut_assets.domain.backtest.evaluate import StoredFrames, backtest_metrics
from torghut_assets.domain.backtest.families import FamilyMember
from torghut_assets.domain.backtest.frames import grid_returns_frame, path_frame
from torghut_assets.domain.backtest.overfit import pbo_cscv
from torghut_assets.domain.backtest.overfit_evidence import measure_overfitting
from torghut_assets.domain.backtest.overfit_fan import equity_fan, sharpe_interval
from torghut_assets.domain.backtest.overfit_records import HoldoutLook, OverfitDiagnostics
from torghut_assets.domain.backtest.overfit_sample import (
    GridSample,
    grid_sample,
    holdout_result,
    neighbourhood,
    out_of_sample_returns,
    ratios_of,
    trials_variance,
)
from torghut_assets.domain.backtest.parameter_surface import parameter_surface
from torghut_assets.domain.backtest.resample import (
    optimal_block_length,
    stationary_bootstrap_indices,
)
from torghut_assets.domain.backtest.superior_ability import reality_check_spa
from torghut_assets.domain.backtest.trial_claims import finished_backtests
from torghut_assets.domain.backtest.trial_count import TrialCount, count_trials
from torghut_assets.domain.errors import EvidenceContradictionError, EvidenceError

STORED = StoredFrames("1" * 64, "2" * 64, "3" * 64)
NOT_ASKED = HoldoutLook(None, "nobody asked")
RESULT = holdout_result(np.array([0.1, -0.05, 0.02]), 252, "4" * 64, 2)


def counted(registered, outside=0, **changes):
    fields = {
        "candidate_id": INPUTS.candidate_id,
        "policy_digest": INPUTS.trial_policy_digest,
        "head_sequence": 4,
        "head_digest": digest("head"),
        "members": (FamilyMember(candidate_id=INPUTS.candidate_id, reason="itself"),),
        "tickets": 2,
        "backtests": 1,
        "abandoned": 0,
        "registered_trials": registered,
        "own_trials": registered,
        "ancestor_trials": 0,
        "declared_outside": outside,
        "unattributed_trials": 0,
        "holdout_looks": 0,
    }
    return TrialCount(**(fields | changes))


class Case:
    """A walk-forward run with its metrics and sample."""

    def __init__(self, run):
        self.run = run
        self.metrics = backtest_metrics(run, INPUTS, STORED)
        self.sample = grid_sample(grid_returns_frame(run), path_frame(run), np.empty(0))

    def measured(self, count=None, look=NOT_ASKED, sample=None):
        count = count or counted(self.metrics.grid_points)
        return measure_overfitting(self.metrics, sample or self.sample, count, look)


@pytest.fixture(scope="module")
def case():
    return Case(walk_forward(seed=9, n_bars=400))


@pytest.fixture(scope="module")
def record(case):
    return case.measured(counted(12, outside=30)).record


def test_the_sample_is_the_out_of_sample_part_of_the_run(case):
    start, end = case.run.out_of_sample
    assert np.array_equal(case.sample.returns, case.run.grid_returns[:, start:end].T)
    assert np.array_equal(case.sample.path, case.run.stitched.net_return[start:end])
    assert case.sample.points == tuple(dict(point) for point in case.run.points)


def test_the_record_survives_its_own_bytes(record):
    again = OverfitDiagnostics.from_canonical_bytes(record.canonical_bytes(), location="t")
    assert again == record
    assert record.not_measured == {}
    assert record.subject == INPUTS.subject


def test_the_same_inputs_give_the_same_bytes(case, record):
    assert case.measured(counted(12, outside=30)).record.digest == record.digest


def test_trials_come_from_the_count_and_head_names_it(record, case):
    assert record.trials_raw == 42
    assert record.trials_declared_outside == 30
    assert record.trial_register_head == digest("head")
    assert record.backtest_digest == case.metrics.digest
    assert record.trials_with_returns == 5


def test_deflated_ratios_are_those_of_the_formula(record, case):
    out = case.metrics.out_of_sample
    ratios = case.sample.returns.mean(axis=0) / case.sample.returns.std(axis=0, ddof=1)
    variance = np.var(ratios, ddof=1)
    assert record.trials_variance == pytest.approx(variance, rel=1e-10)
    for found, trials in ((record.dsr, 42), (record.dsr_effective, record.trials_effective)):
        expected = deflated_sharpe_ratio(
            out.sharpe_per_bar,
            out.n_bars,
            out.skew,
            out.kurtosis,
            n_trials=trials,
            trials_variance=variance,
        )
        assert found == pytest.approx(expected.dsr, rel=1e-9)
    best = expected_max_sharpe(42, variance)
    assert record.expected_max_sharpe_per_bar == pytest.approx(best, rel=1e-9)


def test_splits_and_resamples_are_over_the_tested_bars(record, case):
    assert record.pbo == pytest.approx(pbo_cscv(case.sample.returns, 8).pbo, rel=1e-11)
    assert record.pbo_blocks == 8
    block = max(1.0, optimal_block_length(case.sample.path).stationary)
    indices = stationary_bootstrap_indices(
        len(case.sample.path), block, 200, np.random.default_rng(7)
    )
    models = np.column_stack([case.sample.path, case.sample.returns])
    superior = reality_check_spa(models, indices, block)
    assert record.reality_check_p == superior.rc_p
    assert record.spa_p_consistent == superior.spa_p.consistent
    assert record.block_length == pytest.approx(block, rel=1e-11)
    assert (record.seed, record.resamples) == (7, 200)


def test_more_trials_never_help(case):
    few = case.measured(counted(5)).record
    many = case.measured(counted(5, outside=5_000)).record
    assert many.dsr < few.dsr
    assert many.dsr_effective < few.dsr_effective
    assert (many.psr, many.pbo, many.spa_p_consistent) == (few.psr, few.pbo, few.spa_p_consistent)


def test_trials_whose_returns_are_elsewhere_count_in_full(case):
    alone, with_others = case.measured(counted(5)).record, case.measured(counted(9, 7)).record
    assert with_others.trials_effective == alone.trials_effective + 11
    assert 1 <= alone.trials_effective <= 5


def test_a_small_grid_does_not_hide_the_spread_of_its_family(case):
    """A child with a narrow grid is deflated by the variance of the parent's wide one."""
    wide = np.linspace(-0.2, 0.2, 40)
    sample = GridSample(case.sample.points, case.sample.returns, case.sample.path, wide)
    deflated = case.measured(counted(45), sample=sample).record
    own_only = case.measured(counted(45)).record
    assert deflated.trials_with_returns == 45
    assert deflated.trials_variance > own_only.trials_variance
    assert deflated.dsr < own_only.dsr


def test_one_point_is_not_a_choice_and_fails_what_judges_choosing():
    case = Case(walk_forward(seed=4, points=({"lookback": 10, "invert": False},), n_bars=400))
    measured = case.measured(counted(1, outside=9))
    record = measured.record
    assert record.pbo is None
    assert "nothing is chosen" in record.not_measured["pbo"]
    assert record.pbo_blocks == 0
    assert measured.logits.size == 0
    n_bars = case.metrics.out_of_sample.n_bars
    assert record.trials_variance == pytest.approx(1 / (n_bars - 1), rel=1e-11)
    assert record.dsr < record.psr
    assert record.sensitivity.neighbours == 0
    assert parameter_surface(case.sample) is None


def test_a_single_trial_is_not_deflated():
    case = Case(walk_forward(seed=4, points=({"lookback": 10, "invert": False},), n_bars=400))
    record = case.measured(counted(1)).record
    assert record.dsr == record.psr == record.dsr_effective


def test_a_flat_path_has_no_statistics_but_a_record():
    def never(point):
        return np.zeros((400, 4))

    from simulated_markets import bar_panel, random_prices

    from torghut_assets.domain.backtest.market import market_arrays
    from torghut_assets.domain.backtest.walk_forward_run import run_walk_forward

    bars = bar_panel(random_prices(1, n_bars=400))
    points = ({"lookback": 1}, {"lookback": 2})
    run = run_walk_forward(market_arrays(bars, 10), points, never, plan())
    measured = Case(run).measured(counted(2))
    record = measured.record
    assert (record.psr, record.dsr, record.pbo, record.spa_p_consistent) == (None,) * 4
    assert (record.resamples, record.block_length) == (0, None)
    assert record.sharpe_interval.sharpe_annual_low is None
    assert record.fold_stability.largest_return_share is None
    assert record.trials_effective == 2.0  # each of them counts: it has no correlation
    assert set(record.not_measured) >= {"psr", "dsr", "pbo", "block_length"}
    assert measured.fan.shape == (0, 5)


def test_a_losing_path_has_no_minimum_track_record():
    losing = Case(walk_forward(seed=8, n_bars=400))
    record = losing.measured().record
    assert losing.metrics.out_of_sample.sharpe_per_bar < 0
    assert record.min_track_record_bars is None
    assert "no length proves" in record.not_measured["min_track_record_bars"]


def test_a_grid_beyond_the_limit_is_not_measured(case):
    small = OverfitSettings(resamples=100, pbo_blocks=8, confidence=0.9, max_points=4)
    run = walk_forward(seed=4, the_plan=plan(settings=settings(overfit=small)), n_bars=400)
    record = Case(run).measured().record
    assert (record.pbo, record.spa_p_consistent, record.trials_effective) == (None, None, None)
    assert record.dsr_effective is None
    assert "max_points = 4" in record.not_measured["pbo"]
    assert record.dsr is not None


def test_the_holdout_is_a_result_or_a_reason(case):
    seen = case.measured(look=HoldoutLook(RESULT, None)).record
    assert seen.holdout == RESULT
    assert seen.holdout_refusal is None
    refused = case.measured(look=HoldoutLook(None, "spent by entry 7")).record
    assert refused.holdout is None
    assert refused.holdout_refusal == "spent by entry 7"
    with pytest.raises(ValueError, match="holdout_refusal"):
        case.measured(look=HoldoutLook(RESULT, "both"))


def test_a_holdout_result_says_what_the_window_did():
    assert RESULT.n_bars == 3
    assert RESULT.total_return_fraction == pytest.approx(1.1 * 0.95 * 1.02 - 1)
    returns = np.array([0.1, -0.05, 0.02])
    annual = returns.mean() / returns.std(ddof=1) * math.sqrt(252)
    assert RESULT.sharpe_annual == pytest.approx(annual)
    assert RESULT.looks == 2


@pytest.mark.parametrize(
    ("count", "cut", "what"),
    [
        (counted(4), 0, "trial count"),
        (counted(5, candidate_id="another-one"), 0, "candidate of the count"),
        (counted(5, policy_digest="b" * 64), 0, "policy of the count"),
        (counted(5), 1, "bars of the path"),
    ],
)
def test_evidence_of_something_else_is_refused(case, count, cut, what):
    sample = GridSample(
        case.sample.points,
        case.sample.returns,
        case.sample.path[cut:],
        case.sample.family_ratios,
    )
    with pytest.raises(EvidenceContradictionError, match=what):
        case.measured(count, sample=sample)


def test_a_frame_without_its_metadata_is_refused(case):
    frame = grid_returns_frame(case.run).replace_schema_metadata(None)
    with pytest.raises(EvidenceError, match="does not name its points"):
        out_of_sample_returns(frame)


def made(returns, points):
    return GridSample(points, returns, returns[:, 0], np.empty(0))


def with_ratios(*ratios):
    """Returns over 100 bars whose Sharpe ratios per bar are these, exactly up to rounding."""
    shape = np.tile([1.0, -1.0], 50)
    shape /= shape.std(ddof=1)
    return 0.01 * np.column_stack([shape + ratio for ratio in ratios])


LADDER = tuple({"n": n, "kind": "a"} for n in (2, 1, 3, 9))


def test_neighbours_are_compared_with_the_declared_point():
    found = neighbourhood(made(with_ratios(0.2, 0.16, 0.05, 0.9), LADDER))
    assert found.neighbours == 2
    assert found.median_ratio == pytest.approx(0.525)
    assert found.worst_ratio == pytest.approx(0.25)
    assert found.narrow_peak_ratio == 0.5


def test_a_neighbour_that_never_trades_is_off_the_peak():
    returns = with_ratios(0.2, 0.1, 0.19, 0.9)
    returns[:, 1] = 0.0
    found = neighbourhood(made(returns, LADDER))
    assert (found.median_ratio, found.worst_ratio) == (None, None)
    assert found.narrow_peak_ratio == 0.5


def test_a_declared_point_without_gain_has_no_neighbourhood():
    found = neighbourhood(made(with_ratios(-0.1, 0.1, 0.2, 0.3), LADDER))
    assert found.neighbours == 2
    assert found.narrow_peak_ratio is None


def test_a_trial_that_never_trades_has_the_ratio_zero():
    returns = with_ratios(0.3, 0.1)
    returns[:, 1] = 0.0
    assert ratios_of(returns) == pytest.approx([0.3, 0.0])
    variance, number = trials_variance(made(returns, LADDER[:2]))
    assert (variance, number) == (pytest.approx(0.045), 2)


def test_the_surface_has_the_two_widest_parameters():
    points = tuple(
        {"a": a, "b": b, "c": c} for a in (2, 1) for b in (True, False) for c in (1, 2, 3)
    )
    ratios = [0.01 * number for number in range(12)]
    surface = parameter_surface(made(with_ratios(*ratios), points))
    assert (surface.across.name, surface.across.values) == ("c", (1, 2, 3))
    assert (surface.down.name, surface.down.values) == ("a", (1, 2))
    assert surface.declared == (0, 1)
    expected = [[0.075, 0.085, 0.095], [0.015, 0.025, 0.035]]
    assert surface.sharpe_per_bar == pytest.approx(np.array(expected))


def test_the_surface_of_one_parameter_is_a_row():
    points = ({"rule": "b"}, {"rule": "a"})
    surface = parameter_surface(made(with_ratios(0.1, 0.2), points))
    assert surface.down is None
    assert surface.across.values == ("a", "b")
    assert surface.sharpe_per_bar == pytest.approx(np.array([[0.2, 0.1]]))


def test_a_missing_corner_of_the_grid_is_not_a_number():
    points = ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2})
    surface = parameter_surface(made(with_ratios(0.1, 0.2, 0.3), points))
    assert np.isnan(surface.sharpe_per_bar).sum() == 1


def test_the_interval_covers_the_true_ratio_about_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        draw = np.random.default_rng(seed)
        path = draw.normal(0.0005, 0.01, 300)
        low, high = sharpe_interval(path, stationary_bootstrap_indices(300, 1.0, 200, draw), 0.9)
        covered += low <= 0.05 <= high
    assert 0.83 <= covered / 200 <= 0.96


def test_the_fan_of_the_path_itself_is_its_equity():
    path = np.random.default_rng(0).normal(0.001, 0.01, 500)
    bars, fan = equity_fan(path, np.arange(500)[None, :])
    equity = np.cumprod(1.0 + path)
    assert bars[-1] == 500
    assert fan == pytest.approx(np.repeat(equity[bars - 1][:, None], 5, axis=1))
    assert (np.diff(bars) > 0).all()


def test_the_fan_survives_ruin():
    path = np.array([0.1, -1.0, 0.0, 0.0])
    _, fan = equity_fan(path, np.arange(4)[None, :])
    assert np.isfinite(fan).all()
    assert fan[-1, 2] < 1e-6


def test_metadata_is_json(case):
    assert json.loads(grid_returns_frame(case.run).schema.metadata[b"out_of_sample"])


def test_backtests_of_the_family_are_named_once_each():
    chain = Chain()
    own = chain.done("momentum-a", family="momentum")
    sibling = chain.ticket("momentum-b", family="momentum", grid=7)
    chain.end(sibling, result="first")
    chain.end(chain.add_trial(sibling.trial), result="second")
    chain.end(chain.ticket("momentum-c", family="momentum"), result="stress", returns=None)
    chain.end(chain.ticket("momentum-d", family="momentum"), result=None)
    chain.done("reversal-a", family="reversal")
    count = count_trials(chain.entries, "momentum-a", POLICY)
    found = finished_backtests(chain.entries, count, but=own.trial)
    assert found == (digest("second"),)
