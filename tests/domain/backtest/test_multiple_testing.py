"""p-value corrections, haircuts and the binomial test."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.backtest.multiple_testing import (
    adjust_p_values,
    binomial_hit_rate_test,
    haircut_sharpe,
)
from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(P_VALUES, st.randoms())
def test_the_order_of_the_input_is_kept(p_values, random):
    shuffled = list(range(len(p_values)))
    random.shuffle(shuffled)
    straight = adjust_p_values(p_values)
    mixed = adjust_p_values([p_values[i] for i in shuffled])
    for method in ("bonferroni", "holm", "bhy", "bh", "sidak"):
        expected = [getattr(straight, method)[i] for i in shuffled]
        assert getattr(mixed, method).tolist() == pytest.approx(expected)


@given(P_VALUES)
def test_a_correction_never_lowers_a_p_value_and_stays_a_probability(p_values):
    found = adjust_p_values(p_values)
    for method in (found.bonferroni, found.holm, found.bhy, found.bh, found.sidak):
        assert (method >= np.array(p_values) - 1e-12).all()
        assert (method <= 1).all()
    assert (found.holm <= found.bonferroni + 1e-12).all()
    assert (found.bh <= found.bhy + 1e-12).all()
    assert (found.sidak <= found.bonferroni + 1e-12).all()


def test_adjusted_values_agree_with_scipy():
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(3).uniform(0, 1, 40) ** 3
    found = adjust_p_values(p)
    assert found.bh == pytest.approx(false_discovery_control(p, method="bh"), rel=1e-12)
    assert found.bhy == pytest.approx(false_discovery_control(p, method="by"), rel=1e-12)


@pytest.mark.parametrize("p_values", [[], [0.1, math.nan], [1.1], [-0.1, 0.5], [[0.1]]])
def test_p_values_that_are_none_are_refused(p_values):
    with pytest.raises(StatisticsInputError):
        adjust_p_values(p_values)


def test_sidak_keeps_tiny_p_values():
    assert adjust_p_values([1e-18, 1.0]).sidak[0] == pytest.approx(2e-18, rel=1e-9)


@settings(deadline=None)
@given(
    sharpe=st.floats(-3, 3),
    n_trials=st.integers(1, 10_000),
    dist=st.sampled_from(["normal", "t"]),
)
def test_a_haircut_shrinks_towards_zero_and_keeps_the_sign(sharpe, n_trials, dist):
    found = haircut_sharpe(sharpe, 240, 12, n_trials, dist)
    for cut in (found.sr_bonferroni, found.sr_sidak):
        assert abs(cut) <= abs(sharpe) + 1e-6
        assert cut * sharpe >= 0


def test_one_test_costs_nothing():
    found = haircut_sharpe(1.0, 120, 12, 1, "t")
    assert found.sr_bonferroni == pytest.approx(1.0, rel=1e-9)
    assert found.haircut_bonferroni == pytest.approx(0.0, abs=1e-9)


def test_student_p_agrees_with_scipy():
    from scipy.stats import t as student

    found = haircut_sharpe(0.9, 60, 12, 25, "t")
    p = 2 * student.sf(0.9 * math.sqrt(5), 59)
    assert found.p_single == pytest.approx(p, rel=1e-9)
    assert found.sr_bonferroni == pytest.approx(
        student.isf(min(25 * p, 1) / 2, 59) / math.sqrt(5), rel=1e-9
    )


def test_a_ratio_of_zero_has_no_haircut():
    assert math.isnan(haircut_sharpe(0.0, 60, 12, 5).haircut_bonferroni)


@pytest.mark.parametrize(
    "arguments",
    [
        (math.nan, 60, 12, 5),
        (1.0, 1, 12, 5),
        (1.0, 60, 0, 5),
        (1.0, 60, 12, 0),
        (1.0, 60, 12, 5, "cauchy"),
        (100.0, 6000, 12, 5),
    ],
)
def test_a_haircut_that_is_not_defined_is_refused(arguments):
    with pytest.raises(StatisticsInputError):
        haircut_sharpe(*arguments)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_binomial_p_agrees_with_scipy(data):
    from scipy.stats import binomtest

    n = data.draw(st.integers(1, 400))
    hits = data.draw(st.integers(0, n))
    p0 = data.draw(st.sampled_from([0.0, 0.01, 0.3, 0.5, 0.55, 0.9, 1.0]))
    for alternative in ("two-sided", "less", "greater"):
        expected = binomtest(hits, n, p0, alternative).pvalue
        actual = binomial_hit_rate_test(hits, n, p0, alternative)
        assert actual == pytest.approx(expected, rel=1e-9, abs=1e-200)


def test_no_observations_are_no_test():
    with pytest.raises(TooFewObservationsError):
        binomial_hit_rate_test(0, 0)


@pytest.mark.parametrize(
    "arguments", [(3, 2), (-1, 5), (1.5, 5), (1, 5, 1.5), (1, 5, math.nan), (1, 5, 0.5, "both")]
)
def test_a_binomial_test_outside_its_range_is_refused(arguments):
    with pytest.raises(StatisticsInputError):
        binomial_hit_rate_test(*arguments)
