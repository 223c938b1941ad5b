"""Small markets and settings that the backtest tests share; every number is made here."""

import numpy as np

from torghut_assets.domain.backtest.market import market_arrays
from torghut_assets.domain.backtest.records import (
    CostModel,
    EvaluationInputs,
    EvaluationSettings,
    OverfitSettings,
    RiskLimits,
    StressSettings,
)
from torghut_assets.domain.backtest.walk_forward_run import EvaluationPlan, run_walk_forward
from torghut_assets.domain.candidates.strategy import BarPanel


def sourced(model, **values):
    names = [n for n in model.model_fields if n != "sources" and not n.endswith("_version")]
    return model(sources=dict.fromkeys(names, "made up"), **values)


def cost_model(**changes):
    values = {
        "model_version": "t",
        "half_spread_bps": 2.0,
        "fee_bps": 0.5,
        "slippage_volatility_fraction": 0.02,
        "impact_coefficient": 0.8,
        "volatility_window_bars": 10,
    }
    return sourced(CostModel, **{**values, **changes})


def risk_limits(**changes):
    values = {
        "limits_version": "t",
        "initial_equity_usd": 1e6,
        "max_gross_fraction": 1.0,
        "max_net_fraction": 1.0,
        "max_symbol_fraction": 0.6,
        "max_participation_fraction": 0.05,
        "min_trade_fraction": 0.0005,
        "cooldown_bars": 1,
        "unfilled": "carry",
        "execution_lag_bars": 1,
    }
    return sourced(RiskLimits, **{**values, **changes})


def stress_settings(**changes):
    values = {
        "volatility_spike_factor": 2.0,
        "volatility_spike_every_bars": 30,
        "volatility_spike_bars": 8,
        "drought_volume_fraction": 0.1,
        "rejection_burst_every_bars": 20,
        "rejection_burst_bars": 4,
        "rejection_probability": 0.8,
    }
    return StressSettings(**{**values, **changes})


def settings(**changes):
    values = {
        "settings_version": "t",
        "periods_per_year": 252,
        "train_bars": 60,
        "test_bars": 20,
        "label_horizon_bars": 2,
        "purge_bars": 3,
        "embargo_bars": 2,
        "expanding_train": False,
        "regime_window_bars": 15,
        "max_grid_points": 50,
        "seed": 7,
        "stress": stress_settings(),
        "overfit": OverfitSettings(resamples=200, pbo_blocks=8, confidence=0.9, max_points=40),
    }
    return sourced(EvaluationSettings, **{**values, **changes})


def bar_panel(prices, volume=None):
    """Bars whose open, high, low and close are all the adjusted close."""
    prices = np.asarray(prices, dtype=np.float64)
    if volume is None:
        volume = np.where(np.isnan(prices), np.nan, 1e6)
    times = np.datetime64("2020-01-01T21:00:00", "us") + np.arange(len(prices)) * np.timedelta64(
        1, "D"
    )
    return BarPanel(
        times=times,
        symbols=tuple(f"S{index}" for index in range(prices.shape[1])),
        open=prices.copy(),
        high=prices.copy(),
        low=prices.copy(),
        close=prices.copy(),
        adjusted_close=prices.copy(),
        volume=np.asarray(volume, dtype=np.float64),
    )


def random_prices(seed, n_bars=200, n_symbols=4, drift=0.001, holes=0.0):
    draw = np.random.default_rng(seed)
    steps = draw.normal(drift, 0.015, (n_bars, n_symbols))
    prices = 100.0 * np.exp(np.cumsum(steps, axis=0))
    prices[draw.random(prices.shape) < holes] = np.nan
    return prices


POINTS = (
    {"lookback": 10, "invert": False},
    {"lookback": 5, "invert": False},
    {"lookback": 20, "invert": False},
    {"lookback": 40, "invert": False},
    {"lookback": 10, "invert": True},
)


def momentum(bars):
    """Weights of a plain momentum rule per grid point; the tests' own strategy."""

    def weights_of(point):
        prices = bars.adjusted_close
        weights = np.zeros_like(prices)
        back = point["lookback"]
        weights[back:] = np.sign(prices[back:] - prices[:-back]) / prices.shape[1]
        weights[np.isnan(weights)] = 0.0
        return -weights if point["invert"] else weights

    return weights_of


def plan(**changes):
    values = {
        "settings": settings(),
        "cost_model": cost_model(),
        "limits": risk_limits(),
        "warm_up_bars": 40,
    }
    return EvaluationPlan(**{**values, **changes})


def walk_forward(seed=1, points=POINTS, the_plan=None, n_bars=200):
    the_plan = the_plan or plan()
    bars = bar_panel(random_prices(seed, n_bars=n_bars))
    market = market_arrays(bars, the_plan.cost_model.volatility_window_bars)
    return run_walk_forward(market, points, momentum(bars), the_plan)


INPUTS = EvaluationInputs(
    candidate_id="momentum-test",
    snapshot_id="made-up@2020-12-31",
    **{name: "a" * 64 for name in EvaluationInputs.model_fields if name.endswith("_digest")},
)
