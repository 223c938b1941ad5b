"""A walk-forward with a grid program is the one without it, or it is refused."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_markets import INPUTS, bar_panel, plan, random_prices, risk_limits

from torghut_assets.domain.backtest.accounting import AccountRules, simulate
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.errors import GridProgramRefusedError, WeightsRefusedError
from torghut_assets.domain.backtest.evaluate import StoredFrames, backtest_metrics
from torghut_assets.domain.backtest.lane_grid import run_program
from torghut_assets.domain.backtest.market import market_arrays
from torghut_assets.domain.backtest.stress import stress_metrics
from torghut_assets.domain.backtest.walk_forward_run import GridShortcut, run_walk_forward
from torghut_assets.domain.candidates.grid_program import LANES
from torghut_assets.strategies.time_series_momentum_v1 import (
    TimeSeriesMomentum,
    TimeSeriesMomentumParameters,
)

POINTS = tuple(
    {"lookback_bars": lookback, "volatility_bars": window, "short_fraction": shorts}
    for lookback in (20, 5, 40, 33)
    for window in (10, 5, 30)
    for shorts in (1.0, 0.3)
)
MODELS = tuple(TimeSeriesMomentumParameters.model_validate(point) for point in POINTS)
PLUGIN = TimeSeriesMomentum()


def bars_of(seed, n_symbols=4, holes=0.02):
    return bar_panel(random_prices(seed, n_symbols=n_symbols, holes=holes))


def both_ways(bars, the_plan, change=None, compared=0):
    def weights_of(point):
        return PLUGIN.target_weights(bars, TimeSeriesMomentumParameters.model_validate(point))

    program = PLUGIN.grid_program(bars, MODELS)
    if change is not None:
        program = change(program)
    market = market_arrays(bars, the_plan.cost_model.volatility_window_bars)
    slow = run_walk_forward(market, POINTS, weights_of, the_plan)
    return slow, lambda told=None: run_walk_forward(
        market, POINTS, weights_of, the_plan, told, GridShortcut(program, compared)
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("n_symbols", [1, 4])
@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"unfilled": "cancel", "cooldown_bars": 0, "execution_lag_bars": 2},
        {"max_participation_fraction": 0.0005, "cooldown_bars": 3, "max_gross_fraction": 0.5},
    ],
)
def test_the_run_is_the_same_to_the_bit(seed, n_symbols, limits):
    the_plan = plan(limits=risk_limits(**limits))
    slow, fast = both_ways(bars_of(seed, n_symbols), the_plan)
    quick = fast()
    assert quick.grid_returns.tobytes() == slow.grid_returns.tobytes()
    assert quick.choices == slow.choices
    assert quick.stitched_weights.tobytes() == slow.stitched_weights.tobytes()
    assert quick.stitched.net_return.tobytes() == slow.stitched.net_return.tobytes()
    assert len(np.unique(slow.grid_returns, axis=0)) > 6


def test_the_records_have_the_same_digests():
    slow, fast = both_ways(bars_of(9), plan())
    stored = StoredFrames("1" * 64, "2" * 64, "3" * 64)
    records = [
        (backtest_metrics(run, INPUTS, stored), stress_metrics(run, INPUTS, "4" * 64))
        for run in (slow, fast())
    ]
    assert [r.digest for r in records[0]] == [r.digest for r in records[1]]


def test_a_ruined_point_is_computed_by_the_definition():
    """Shorts of a price that jumps: some points are ruined, and their later returns are 0."""
    prices = random_prices(3, n_symbols=1, drift=-0.01)
    prices[120:] *= 2.5
    bars = bar_panel(prices)
    conditions = Conditions.proportional(market_arrays(bars, 10).returns, 0.001)
    weights = [3.0 * PLUGIN.target_weights(bars, model) for model in MODELS]

    class Bold:
        lane_points = PLUGIN.grid_program(bars, MODELS).lane_points
        true = PLUGIN.grid_program(bars, MODELS)

        def decide(self, piece, out):
            self.true.decide(piece, out)
            out *= 3.0

    found = run_program(Bold(), conditions, AccountRules(), lambda point: weights[point])
    ruined = 0
    for point, decided in enumerate(weights):
        alone = simulate(decided, conditions, AccountRules())
        assert found.net_returns[point].tobytes() == alone.net_return.tobytes()
        assert found.turnover[point] == sum(alone.turnover.tolist())
        ruined += alone.ruin_bar is not None
    assert 0 < ruined < len(MODELS)


class Changed:
    """A program that decides one point, found by its lane, in another way."""

    def __init__(self, program, point, change):
        self.lane_points = program.lane_points
        self._program, self._change = program, change
        self._block, self._lane = divmod(int(np.flatnonzero(self.lane_points == point)[0]), LANES)

    def decide(self, piece, out):
        self._program.decide(piece, out)
        n_blocks = piece.end_block - piece.first_block
        lanes = out.reshape(n_blocks, piece.end - piece.start, -1, LANES)
        if piece.first_block <= self._block < piece.end_block:
            mine = lanes[self._block - piece.first_block, :, :, self._lane]
            mine[:] = self._change(mine)


def test_a_program_that_decides_the_declared_point_otherwise_is_refused():
    _, fast = both_ways(bars_of(1), plan(), lambda true: Changed(true, 0, lambda w: 0.999 * w))
    with pytest.raises(GridProgramRefusedError, match="point 0, bar"):
        fast()


def test_a_program_that_flatters_a_point_until_it_is_picked_is_refused():
    bars = bars_of(1)
    ahead = np.sign(np.nan_to_num(np.diff(bars.close, axis=0, append=bars.close[-1:])))

    class Prophet(Changed):
        def decide(self, piece, out):
            self._change = lambda _: 0.2 * np.roll(ahead, -1, axis=0)[piece.start : piece.end]
            super().decide(piece, out)

    _, fast = both_ways(bars, plan(), lambda true: Prophet(true, 7, None))
    with pytest.raises(GridProgramRefusedError, match=r"point 7, bar .* as target_weights"):
        fast()


def least_picked(run):
    """A point, not the declared one, that no fold picked."""
    return next(k for k in range(1, len(POINTS)) if k not in {c.point for c in run.choices})


def test_a_point_that_nobody_picks_is_compared_on_request():
    slow, _ = both_ways(bars_of(1), plan())
    unseen = least_picked(slow)

    def lazy(true):
        return Changed(true, unseen, lambda weights: 0.0 * weights)

    _, fast = both_ways(bars_of(1), plan(), lazy)
    assert not fast().grid_returns[unseen].any()  # seen by the conformance suite alone
    _, watched = both_ways(bars_of(1), plan(), lazy, compared=500)
    with pytest.raises(GridProgramRefusedError, match=f"point {unseen}, bar"):
        watched()


class Spoiled(Changed):
    """A program that decides one number at one bar, whatever it is."""

    def decide(self, piece, out):
        def spoil(weights):
            changed = weights.copy()
            changed[self.bar - piece.start, -1] = self.bad
            return changed

        here = piece.start <= self.bar < piece.end
        self._change = spoil if here else np.copy
        super().decide(piece, out)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("bar", "account"), [(0, "account 5"), (150, "5"), (199, "an account")])
def test_a_weight_that_is_not_finite_is_refused(bad, bar, account):
    def spoiled(true):
        program = Spoiled(true, 5, None)
        program.bar, program.bad = bar, bad
        return program

    _, fast = both_ways(bars_of(1), plan(), spoiled)
    with pytest.raises(WeightsRefusedError, match=account):
        fast()


def test_a_program_for_other_points_is_refused():
    _, fast = both_ways(bars_of(1), plan(), lambda _: PLUGIN.grid_program(bars_of(1), MODELS[:-1]))
    with pytest.raises(GridProgramRefusedError, match="each of 24 points once"):
        fast()


def test_progress_ends_with_every_point():
    told = []
    _, fast = both_ways(bars_of(1), replace(plan(), warm_up_bars=41))
    fast(lambda done, total: told.append((done, total)))
    assert told[-1] == (24, 24)
    assert told == sorted(told)
