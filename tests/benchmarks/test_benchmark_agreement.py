"""The measured code computes what the workloads define, checked small against naive NumPy."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _scripts_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield
    for name in ("reference", "runner", "workload_data", "w1_sweep", "w1g_accounting"):
        sys.modules.pop(name, None)
    for name in ("w2_stress", "w3_statistics", "w4_tca"):
        sys.modules.pop(name, None)


@pytest.fixture
def prices():
    """300 bars of 4 names, one of which stands still for a while."""
    from workload_data import Prices

    draw = np.random.default_rng(3)
    returns = draw.normal(0.0003, 0.02, (300, 4))
    returns[100:140, 2] = 0.0
    close = np.round(50 * np.cumprod(1.0 + returns, axis=0), 2)
    return Prices(np.datetime64("2010-01-04") + np.arange(300), ("A", "B", "C", "D"), close)


@pytest.fixture
def sweep(prices):
    """Small W1: returns of 12 combinations, shape (n_bars, n_combinations)."""
    import reference
    import w1_sweep

    grid = [(lookback, window) for lookback in (5, 20, 61, 120) for window in (10, 30, 70)]
    net = w1_sweep.ours(w1_sweep.panel(prices), prices.returns, grid)["net"]
    naive = [
        reference.accounts(
            prices.returns,
            reference.executed(reference.momentum_weights(prices.close, *p), 1),
            5e-4,
        )
        for p in grid
    ]
    return grid, net, naive


def test_the_sweep_is_the_workloads_definition(prices, sweep):
    import reference
    import w1_sweep

    grid, net, naive = sweep
    found = w1_sweep.ours(w1_sweep.panel(prices), prices.returns, grid)
    expected = np.concatenate([one for one, _ in naive])
    assert np.abs(net - expected).max() <= 1e-12
    assert np.abs(expected).max() > 1e-3
    assert np.abs(found["turnover"] - [t[0] for _, t in naive]).max() <= 1e-9
    assert np.abs(found["sharpe"] - reference.sharpe(expected)).max() <= 1e-12
    value = np.concatenate([[1.0], np.cumprod(1.0 + expected[0])])
    worst = max(1.0 - value[t] / value[: t + 1].max() for t in range(len(value)))
    assert found["drawdown"][0] == pytest.approx(worst, abs=1e-12)


def test_the_numpy_peer_of_the_sweep_decides_the_same_weights(prices):
    import reference

    naive = reference.momentum_weights(prices.close, 20, 30)
    quick = reference.momentum_weights_by_sums(prices.close, 20, 30)
    assert np.abs(naive - quick).max() <= 1e-12
    assert np.abs(naive).sum(axis=1).max() == pytest.approx(
        min(1.0, np.abs(naive).sum(axis=1).max())
    )


def test_accounting_alone_is_the_workloads_definition():
    """Written out once more from the formulas a[e], h, TO, g and ret, without arrays."""
    import w1g_accounting

    draw = np.random.default_rng(4)
    returns = draw.normal(0, 0.02, (60, 3))
    returns[0] = 0.0
    decided = draw.normal(0, 0.3, (60, 6))
    found = w1g_accounting.ours(returns, decided, 5e-4)
    for account in range(2):
        weights = decided[:, 3 * account : 3 * account + 3]
        held, kept, total = [0.0] * 3, 1.0, 0.0
        for bar in range(60):
            target = weights[bar - 1] if bar else [0.0] * 3
            a = kept + sum(h * r for h, r in zip(held, returns[bar], strict=True))
            drifted = [h * (1 + r) / a for h, r in zip(held, returns[bar], strict=True)]
            traded = sum(abs(x - d) for x, d in zip(target, drifted, strict=True))
            g = 1 - 5e-4 * traded
            assert found["net"][account, bar] == pytest.approx(a * g / kept - 1, abs=1e-12)
            held, kept, total = list(target), g, total + traded
        assert found["turnover"][account] == pytest.approx(total, abs=1e-9)


def test_stress_scenarios_are_the_workloads_definition(prices):
    import reference
    import w2_stress

    decided = reference.momentum_weights(prices.close, 40, 20)
    naive = w2_stress.by_numpy(prices.returns, decided)
    for found in (
        w2_stress.ours(prices.returns, decided),
        w2_stress.full_paths(prices.returns, decided),
    ):
        assert np.abs(found["net"] - naive["net"]).max() <= 1e-12
        assert np.abs(found["turnover"] - naive["turnover"]).max() <= 1e-9
    assert len(w2_stress.SCENARIOS) == 8


def test_cscv_is_the_workloads_definition(sweep):
    import reference

    from torghut_assets.domain.backtest.overfit import pbo_cscv

    returns = np.ascontiguousarray(sweep[1][:, 125:].T)
    naive = reference.cscv_logits(returns, 6)
    assert np.abs(pbo_cscv(returns, 6).logits - naive).max() <= 1e-12
    assert np.abs(reference.cscv_logits_by_blocks(returns, 6) - naive).max() <= 1e-12


def test_walk_forward_is_the_workloads_definition():
    import w3_statistics

    returns = np.random.default_rng(5).normal(0.0002, 0.01, (1_500, 7))
    found, naive = w3_statistics.walk_forward(returns), w3_statistics.walk_forward_numpy(returns)
    assert np.array_equal(found["picks"], naive["picks"])
    assert len(found["picks"]) == (1_500 - 766) // 126
    assert found["tests"] == pytest.approx(naive["tests"], abs=1e-12)
    assert found["joined"] == pytest.approx(naive["joined"], abs=1e-12)


def test_deflated_ratios_are_the_formula():
    import w3_statistics

    returns = np.random.default_rng(6).normal(0.0004, 0.01, (400, 30))
    found, naive = w3_statistics.deflated(returns), w3_statistics.deflated_numpy(returns)
    assert np.abs(found["dsr"] - naive["dsr"]).max() <= 1e-12
    assert np.ptp(naive["dsr"]) > 0.1


def test_the_reality_check_is_the_workloads_definition():
    import reference

    from torghut_assets.domain.backtest.superior_ability import reality_check_spa

    draw = np.random.default_rng(7)
    returns, indices = draw.normal(0.0005, 0.01, (200, 9)), draw.integers(0, 200, (150, 200))
    expected = reference.reality_check(returns, indices)
    assert reality_check_spa(returns, indices, 10.0).rc_p == pytest.approx(expected, abs=1e-12)
    assert 0.0 < expected < 1.0


def test_a_difference_beyond_the_tolerance_is_refused_before_anything_is_timed():
    import runner

    check = runner.largest_difference({"net": 1e-12})
    assert check({"net": 1.0}, {"net": 1.0}) == "net 0e+00"
    with pytest.raises(AssertionError, match="net differs"):
        check({"net": 1.0}, {"net": 1.0 + 1e-9})
    with pytest.raises(AssertionError, match="net differs"):
        check({"net": 1.0}, {"net": float("nan")})


def test_the_tape_is_the_workloads_definition():
    """Small W4 against pandas' own as-of merge."""
    import runner
    import w4_tca

    market = w4_tca.make_market(5, 400, 60)
    found = w4_tca.ours(w4_tca.tapes(market))
    expected = w4_tca.import_pandas(market)()
    # pandas leaves a NaN where a fill comes before the first quote, as ours does
    known = ~np.isnan(expected["mid"])
    assert np.array_equal(known, ~np.isnan(found["mid"]))
    for name in ("mid", "spread_bps"):
        found[name], expected[name] = found[name][known], expected[name][known]
    quoted = ~np.isnan(found["order_spread_bps"]) & ~np.isnan(found["arrival_mid"])
    for name in w4_tca.TOLERANCE.keys() - {"mid", "spread_bps"}:
        found[name], expected[name] = found[name][quoted], expected[name][quoted]
    assert quoted.sum() > 40
    runner.largest_difference(w4_tca.TOLERANCE)(found, expected)
