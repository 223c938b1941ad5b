"""Windows, volatility, staleness and the gross limit, against plain definitions."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.candidates.panels import examination_panels
from torghut_assets.domain.candidates.strategy import STALE_BARS, VOLATILITY_FLOOR
from torghut_assets.strategies import building_blocks as blocks

SEEDS = st.integers(0, 10_000)


def prices(seed, n_bars, n_symbols=3, missing=0.0):
    rng = np.random.default_rng(seed)
    out = 50.0 * np.cumprod(1.0 + rng.uniform(-0.05, 0.05, (n_bars, n_symbols)), axis=0)
    out[rng.uniform(size=out.shape) < missing] = np.nan
    return out


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, window=st.integers(1, 70), n_bars=st.integers(1, 160))
def test_window_sums_are_sums_over_windows(seed, window, n_bars):
    values = prices(seed, n_bars)
    found = blocks.window_sums(values, window)
    assert np.isnan(found[: window - 1]).all()
    for t in range(window - 1, n_bars):
        expected = [math.fsum(column) for column in values[t - window + 1 : t + 1].T]
        np.testing.assert_allclose(found[t], expected, rtol=1e-14)


def test_a_bad_value_spoils_its_own_windows_and_no_others():
    values = prices(1, 200)
    spoiled = values.copy()
    spoiled[50, 1] = 1e300
    spoiled[120, 2] = np.nan
    clean, found = blocks.window_sums(values, 20), blocks.window_sums(spoiled, 20)
    touched = np.zeros(values.shape, dtype=bool)
    touched[50:70, 1] = touched[120:140, 2] = True
    assert np.array_equal(clean[~touched], found[~touched], equal_nan=True)
    assert np.isnan(found[120:140, 2]).all()


@settings(max_examples=20, deadline=None)
@given(seed=SEEDS, window=st.integers(2, 40), chunk=st.integers(1, 400))
def test_rows_do_not_depend_on_how_the_work_is_cut(seed, window, chunk):
    values = prices(seed, 300, missing=0.02)
    with pytest.MonkeyPatch.context() as patch:
        whole = blocks.trailing_volatility(values, window)
        patch.setattr(blocks, "_CHUNK_VALUES", chunk)
        cut = blocks.trailing_volatility(values, window)
    assert whole.tobytes() == cut.tobytes()


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, missing=st.sampled_from([0.0, 0.05, 0.3]), lag=st.integers(1, 90))
def test_forward_fill_and_returns_agree_with_pandas(seed, missing, lag):
    price = prices(seed, 80, missing=missing)
    frame = pd.DataFrame(price)
    np.testing.assert_array_equal(blocks.forward_filled(price), frame.ffill().to_numpy())
    expected = (frame / frame.shift(lag) - 1.0).to_numpy()
    np.testing.assert_allclose(blocks.simple_returns(price, lag), expected, atol=1e-15)
    np.testing.assert_array_equal(blocks.price_changes(price, lag), frame.diff(lag).to_numpy())


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, window=st.integers(5, 60), missing=st.sampled_from([0.0, 0.03, 0.2]))
def test_volatility_agrees_with_pandas(seed, window, missing):
    price = prices(seed, 150, missing=missing)
    returns = pd.DataFrame(price) / pd.DataFrame(price).shift(1) - 1.0
    enough = math.ceil(blocks.MIN_OBSERVED_FRACTION * window - 1e-9)
    expected = np.sqrt(252) * returns.rolling(window, min_periods=enough).std(ddof=1).to_numpy()
    expected = np.maximum(expected, VOLATILITY_FLOOR)
    expected[:window] = np.nan
    np.testing.assert_allclose(
        blocks.trailing_volatility(price, window), expected, rtol=1e-9, atol=1e-12
    )


def test_a_price_that_stands_still_has_the_floor_and_not_zero():
    flat = np.full((40, 2), 10.0)
    assert (blocks.trailing_volatility(flat, 20)[20:] == VOLATILITY_FLOOR).all()


def test_after_a_huge_jump_volatility_recovers_exactly():
    """Differences of running totals would carry the jump's rounding error forever."""
    price = prices(3, 200)
    jumped = price.copy()
    jumped[60:] *= 1e9
    found = blocks.trailing_volatility(jumped, 20)[100:]
    np.testing.assert_allclose(found, blocks.trailing_volatility(price, 20)[100:], rtol=1e-9)


def test_too_few_returns_in_the_window_give_no_volatility():
    price = prices(4, 60, 1)
    price[21:40:2] = np.nan
    found = blocks.trailing_volatility(price, 20)[:, 0]
    assert np.isnan(found[30:41]).all()
    assert np.isfinite(found[20])
    assert np.isfinite(found[59])


@settings(max_examples=60, deadline=None)
@given(
    column=st.lists(st.sampled_from([1.0, 1.0, 1.0, 2.0, math.nan]), min_size=1, max_size=40),
)
def test_stale_is_what_the_contract_says(column):
    close = np.array(column)[:, np.newaxis]
    known = pd.Series(column).ffill().to_numpy()
    expected = [
        t >= STALE_BARS and len(set(known[t - STALE_BARS : t + 1].tolist())) == 1
        for t in range(len(column))
    ]
    assert blocks.stale(close)[:, 0].tolist() == expected
    tradable = [not s and not math.isnan(c) for s, c in zip(expected, column, strict=True)]
    assert blocks.tradable(close)[:, 0].tolist() == tradable


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, scale=st.floats(0.01, 100.0), gross=st.floats(0.1, 3.0))
def test_finished_weights_keep_the_contract(seed, scale, gross):
    for panel in examination_panels(10):
        rng = np.random.default_rng(seed)
        raw = rng.normal(size=panel.bars.close.shape) * scale
        raw[rng.uniform(size=raw.shape) < 0.05] = np.nan
        raw[rng.uniform(size=raw.shape) < 0.05] = np.inf
        before = raw.copy()
        found = blocks.finished_weights(raw, panel.bars, warm_up_bars=10, max_gross=gross)
        assert np.array_equal(raw, before, equal_nan=True)
        assert (found[:10] == 0).all()
        assert np.isfinite(found).all()
        assert (np.abs(found).sum(axis=1) <= gross * (1 + 1e-12)).all()
        kept = blocks.tradable(panel.bars.close) & np.isfinite(raw)
        assert (found[~kept] == 0).all()
        assert (np.sign(found[10:][kept[10:]]) == np.sign(raw[10:][kept[10:]])).all()
        assert not np.signbit(found[found == 0]).any()


def test_within_the_gross_limit_nothing_is_scaled():
    bars = examination_panels(10)[0].bars
    raw = np.full(bars.close.shape, 0.1)
    found = blocks.finished_weights(raw, bars, warm_up_bars=0, max_gross=1.0)
    assert (found == 0.1).all()


@pytest.mark.parametrize(("fraction", "expected"), [(0.0, 0.0), (0.5, -1.0), (1.0, -2.0)])
def test_shorts_are_scaled_and_longs_are_not(fraction, expected):
    direction = np.array([[-2.0, 3.0, 0.0, np.nan]])
    blocks.scale_shorts(direction, fraction)
    np.testing.assert_array_equal(direction, [[expected, 3.0, 0.0, np.nan]])


def test_risk_units_add_up_to_the_target_when_symbols_are_independent():
    volatility = np.array([[0.2, 0.4, 0.1, 0.3]])
    weights = blocks.risk_units(volatility, 0.10)
    assert math.sqrt(float(((weights * volatility) ** 2).sum())) == pytest.approx(0.10)
