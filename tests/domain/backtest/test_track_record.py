"""Track-record lengths, live against backtest, Lo's factors."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.backtest.sharpe import probabilistic_sharpe_ratio
from torghut_assets.domain.backtest.track_record import (
    SharpeEstimate,
    live_vs_backtest_sharpe,
    lo_annualization_factor,
    lo_annualization_factor_ar1,
    minimum_track_record_length,
    minimum_track_record_length_null_variance,
)
from torghut_assets.domain.errors import StatisticsInputError


@given(sharpe=st.floats(0.05, 1), benchmark=st.floats(-0.2, 0.04), confidence=st.floats(0.6, 0.99))
def test_at_the_minimum_length_the_psr_is_the_confidence(sharpe, benchmark, confidence):
    length = minimum_track_record_length(sharpe, benchmark, -0.5, 5.0, confidence)
    n_obs = math.ceil(length)
    assert probabilistic_sharpe_ratio(sharpe, benchmark, n_obs, -0.5, 5.0) >= confidence - 1e-9
    if n_obs > 3:
        assert probabilistic_sharpe_ratio(sharpe, benchmark, n_obs - 1, -0.5, 5.0) < confidence


@pytest.mark.parametrize("sharpe", [0.05, 0.0, -1.0])
def test_no_length_suffices_for_a_ratio_that_is_not_above_its_benchmark(sharpe):
    assert minimum_track_record_length(sharpe, 0.05) == math.inf
    assert minimum_track_record_length_null_variance(sharpe, 0.05) == math.inf


@pytest.mark.parametrize("confidence", [0.0, 0.4, 1.0, math.nan])
def test_confidence_is_at_least_a_half_and_below_one(confidence):
    with pytest.raises(StatisticsInputError):
        minimum_track_record_length(0.1, confidence=confidence)


def test_the_same_record_is_no_worse_than_itself():
    estimate = SharpeEstimate(0.08, 500)
    compared = live_vs_backtest_sharpe(estimate, estimate)
    assert compared.z == 0
    assert compared.p_lower == pytest.approx(0.5)
    assert compared.psr_vs_backtest == pytest.approx(0.5)


@given(drop=st.floats(0, 0.5))
def test_a_worse_live_record_never_gets_a_higher_p(drop):
    backtest = SharpeEstimate(0.1, 1000)
    good = live_vs_backtest_sharpe(SharpeEstimate(0.1, 200), backtest)
    bad = live_vs_backtest_sharpe(SharpeEstimate(0.1 - drop, 200), backtest)
    assert bad.p_lower <= good.p_lower + 1e-12


@given(q=st.integers(1, 30), rho=st.floats(-0.9, 0.95))
def test_both_factors_agree_for_an_ar1(q, rho):
    general = lo_annualization_factor(q, [rho**k for k in range(1, q)])
    closed = lo_annualization_factor_ar1(q, rho)
    assert closed.eta == pytest.approx(general, rel=1e-9)
    assert closed.ratio_to_sqrt_q == pytest.approx(general / math.sqrt(q), rel=1e-9)


def test_the_factor_is_a_quadratic_form_of_the_correlation_matrix():
    rho = [0.3, 0.15, 0.05]
    matrix = np.array(
        [[1.0 if i == j else rho[abs(i - j) - 1] for j in range(4)] for i in range(4)]
    )
    assert lo_annualization_factor(4, rho) == pytest.approx(4 / math.sqrt(matrix.sum()), rel=1e-12)


@given(st.integers(2, 400))
def test_uncorrelated_returns_scale_with_the_square_root(q):
    assert lo_annualization_factor(q, [0.0] * (q - 1)) == pytest.approx(math.sqrt(q))


@pytest.mark.parametrize(
    ("q", "rho"),
    [
        (4, [0.1, 0.1]),
        (4, []),
        (2, [1.5]),
        (2, [-1.0]),
        (3, [math.nan, 0.1]),
        (0, [0.1]),
        (2.5, [0.1, 0.1]),
    ],
)
def test_correlations_that_do_not_fit_are_refused(q, rho):
    with pytest.raises(StatisticsInputError):
        lo_annualization_factor(q, rho)


@pytest.mark.parametrize("rho", [1.0, -1.0, 2.0, math.nan])
def test_an_ar1_needs_a_coefficient_inside_the_unit_interval(rho):
    with pytest.raises(StatisticsInputError):
        lo_annualization_factor_ar1(12, rho)
