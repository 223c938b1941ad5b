"""Sharpe ratio, its standard error and the probability that it is real."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.backtest.sharpe import (
    probabilistic_sharpe_ratio,
    probabilistic_sharpe_ratio_null_variance,
    psr_from_returns,
    ratio_variance,
    sharpe_ratio,
    sharpe_standard_error,
    standardized_moments,
)
from torghut_assets.domain.backtest.statistics_errors import (
    ConstantSeriesError,
    ImpossibleMomentsError,
    NonFiniteInputError,
    ParameterRangeError,
    ShapeMismatchError,
)
from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError

RATIOS = st.floats(-2, 2)


@pytest.mark.parametrize(
    ("skew", "kurtosis", "published"), [(0.0, 3.0, 0.982), (-2.448, 10.164, 0.913)]
)
def test_psr_matches_the_published_example(skew, kurtosis, published):
    """Bailey and Lopez de Prado (2012): 24 monthly returns, ratio 0.458."""
    actual = probabilistic_sharpe_ratio(0.458, 0.0, 24, skew, kurtosis)
    assert actual == pytest.approx(published, abs=5e-4)


@given(sharpe=RATIOS, one=RATIOS, other=RATIOS, n_obs=st.integers(3, 5_000))
def test_a_higher_benchmark_is_never_easier(sharpe, one, other, n_obs):
    easier = probabilistic_sharpe_ratio(sharpe, min(one, other), n_obs)
    harder = probabilistic_sharpe_ratio(sharpe, max(one, other), n_obs)
    assert 0.0 <= harder <= easier <= 1.0


@given(sharpe=st.floats(0.01, 2), n_obs=st.integers(2, 5_000))
def test_more_observations_never_weaken_a_positive_ratio(sharpe, n_obs):
    fewer = probabilistic_sharpe_ratio(sharpe, 0.0, n_obs)
    assert probabilistic_sharpe_ratio(sharpe, 0.0, n_obs + 1) >= fewer


def test_the_two_conventions_differ_as_published():
    """Lopez de Prado, Lipton and Zoonekynd (2025): 0.987 where 2012 gives 0.913."""
    data = (0.456, 0.0, 24, -2.448, 10.164)
    assert probabilistic_sharpe_ratio_null_variance(*data) == pytest.approx(0.987, abs=5e-4)
    assert probabilistic_sharpe_ratio(*data) == pytest.approx(0.913, abs=1e-3)


@given(sharpe=RATIOS, n_obs=st.integers(2, 10_000))
def test_standard_error_of_normal_returns_is_that_of_lo(sharpe, n_obs):
    expected = math.sqrt((1 + sharpe**2 / 2) / n_obs)
    assert sharpe_standard_error(sharpe, n_obs) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_obs", [0, 1])
def test_one_return_has_no_probability(n_obs):
    with pytest.raises(TooFewObservationsError):
        probabilistic_sharpe_ratio(1.0, 0.0, n_obs)
    with pytest.raises(TooFewObservationsError):
        probabilistic_sharpe_ratio_null_variance(1.0, 0.0, n_obs)
    with pytest.raises(TooFewObservationsError):
        sharpe_standard_error(1.0, n_obs)


@pytest.mark.parametrize("n_obs", [-3, 2.5, math.nan, math.inf, True])
def test_a_count_is_a_whole_number(n_obs):
    with pytest.raises(StatisticsInputError):
        sharpe_standard_error(1.0, n_obs)


@pytest.mark.parametrize("position", range(5))
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_no_argument_of_the_psr_may_be_nan_or_infinite(position, bad):
    arguments = [0.1, 0.0, 100, 0.0, 3.0]
    arguments[position] = bad
    for function in (probabilistic_sharpe_ratio, probabilistic_sharpe_ratio_null_variance):
        with pytest.raises(StatisticsInputError):
            function(*arguments)


def test_moments_that_no_distribution_has_are_refused():
    with pytest.raises(ImpossibleMomentsError, match="not excess"):
        ratio_variance(0.1, 2.0, 4.9)


def test_a_variance_that_vanishes_is_refused():
    """Two equally likely values have kurtosis 1 and, at this skew and ratio, no variance."""
    with pytest.raises(ImpossibleMomentsError):
        ratio_variance(1.0, 2.0, 5.0)


def test_the_paper_s_moments_on_the_boundary_are_accepted():
    assert ratio_variance(0.1, -3.0, 10.0) == pytest.approx(1 + 0.3 + 9 / 4 * 0.01)


@given(
    st.lists(st.floats(-0.5, 0.5), min_size=3, max_size=60),
    st.floats(0.1, 1000),
)
def test_sharpe_does_not_depend_on_scale_and_flips_with_sign(returns, scale):
    if np.ptp(returns) < 1e-6:
        return
    ratio = sharpe_ratio(returns)
    assert sharpe_ratio(np.array(returns) * scale) == pytest.approx(ratio, rel=1e-9, abs=1e-12)
    assert sharpe_ratio(-np.array(returns)) == pytest.approx(-ratio, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 0.001, -0.03, 0.1 + 0.2, 1e-9])
@pytest.mark.parametrize("risk_free", [0.0, 0.0001, 0.3])
def test_constant_returns_have_no_ratio(value, risk_free):
    with pytest.raises(ConstantSeriesError):
        sharpe_ratio([value] * 252, risk_free)


def test_returns_that_differ_by_rounding_only_have_no_ratio():
    with pytest.raises(ConstantSeriesError):
        sharpe_ratio([0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2], 0.3)


@pytest.mark.parametrize("returns", [[], [0.01], [math.nan, 0.01], [math.nan] * 5])
def test_fewer_than_two_returns_have_no_ratio(returns):
    with pytest.raises(TooFewObservationsError):
        sharpe_ratio(returns)


def test_an_infinite_return_is_refused():
    with pytest.raises(NonFiniteInputError):
        sharpe_ratio([0.01, math.inf, 0.02])


def test_a_series_of_risk_free_rates_is_subtracted_pairwise():
    gross, rates = np.array([0.02, 0.05, math.nan, 0.01]), np.array([0.01, 0.0, 0.01, 0.02])
    assert sharpe_ratio(gross, rates) == pytest.approx(sharpe_ratio([0.01, 0.05, -0.01]))
    with pytest.raises(ShapeMismatchError):
        sharpe_ratio(gross, rates[:3])


@pytest.mark.parametrize("per_year", [0, -252, math.nan])
def test_periods_per_year_are_positive(per_year):
    with pytest.raises(StatisticsInputError):
        sharpe_ratio([0.01, 0.02], 0.0, per_year)


@pytest.mark.parametrize("returns", [[[0.1, 0.2]], 0.3, ["a", "b"], [[0.1], [0.1, 0.2]]])
def test_returns_are_one_series_of_numbers(returns):
    with pytest.raises(ShapeMismatchError):
        sharpe_ratio(returns)


@given(st.lists(st.floats(-1, 1), min_size=5, max_size=50))
def test_population_moments_are_always_possible_ones(returns):
    if np.ptp(returns) < 1e-6:
        return
    skew, kurtosis = standardized_moments(returns)
    assert kurtosis >= (1 + skew**2) * (1 - 1e-9)


def test_moments_agree_with_pandas():
    import pandas as pd

    returns = np.random.default_rng(7).standard_t(5, 80)
    skew, kurtosis = standardized_moments(returns, "bias_corrected")
    assert skew == pytest.approx(pd.Series(returns).skew(), rel=1e-10)
    assert kurtosis == pytest.approx(pd.Series(returns).kurt() + 3, rel=1e-10)


def test_corrected_moments_need_four_returns():
    with pytest.raises(TooFewObservationsError):
        psr_from_returns([0.01, 0.02, 0.04], moments="bias_corrected")
    assert 0 < psr_from_returns([0.01, 0.02, 0.04]) < 1


def test_errors_say_where_what_and_what_to_do():
    with pytest.raises(ParameterRangeError) as refused:
        sharpe_ratio([0.01, 0.02], 0.0, -1)
    assert refused.value.location == "periods_per_year"
    assert refused.value.exit_code == 4
    assert isinstance(refused.value, ValueError)
