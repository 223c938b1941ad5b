import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.drift.coverage import (
    coverage_check,
    exact_binomial_p,
    interval_coverage,
    kupiec_pof,
)
from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError
from torghut_assets.domain.tca.errors import OutOfRangeError


@pytest.mark.parametrize(
    ("covered", "passed"), [(86, False), (87, True), (90, True), (93, True), (94, False)]
)
def test_both_boundaries_of_the_tolerance_pass(covered, passed):
    """0.87 and 0.93 differ from 0.9 by 0.03 and a rounding error."""
    assert coverage_check(100, covered, 0.9, 0.03).passed is passed


def test_no_observations_are_no_evidence():
    with pytest.raises(TooFewObservationsError):
        coverage_check(0, 0, 0.9, 0.03)


@pytest.mark.parametrize(
    ("n", "covered", "target", "tolerance"),
    [
        (10, 11, 0.9, 0.03),
        (10, -1, 0.9, 0.03),
        (10.5, 1, 0.9, 0.03),
        (10, 1, 1.0, 0.03),
        (10, 1, 0.9, -0.03),
        (10, 1, math.nan, 0.03),
        (10, 1, 0.9, math.nan),
        (None, 1, 0.9, 0.1),
    ],
)
def test_impossible_counts_are_refused(n, covered, target, tolerance):
    with pytest.raises(StatisticsInputError):
        coverage_check(n, covered, target, tolerance)


@given(n=st.integers(1, 200), data=st.data(), target=st.floats(0.01, 0.99))
def test_the_exact_p_value_is_a_sum_of_binomial_probabilities(n, data, target):
    hits = data.draw(st.integers(0, n))
    pmf = [math.comb(n, k) * target**k * (1 - target) ** (n - k) for k in range(n + 1)]
    expected = math.fsum(p for p in pmf if p <= pmf[hits] * (1 + 1e-7))
    assert exact_binomial_p(hits, n, target) == pytest.approx(min(expected, 1.0), rel=1e-9)


def test_the_binomial_test_of_a_fair_coin():
    """8 of 10 heads: 2 (1 + 10 + 45) / 1024, as in every textbook."""
    assert exact_binomial_p(8, 10, 0.5) == pytest.approx(112 / 1024)
    assert exact_binomial_p(5, 10, 0.5) == 1.0


@given(n=st.integers(1, 400), data=st.data())
def test_heads_and_tails_are_equally_surprising(n, data):
    """Outcomes of equal probability count, even when the last bits differ."""
    heads = data.draw(st.integers(0, (n - 1) // 2))
    tail = sum(math.comb(n, k) for k in range(heads + 1)) / 2**n
    for hits in (heads, n - heads):
        assert exact_binomial_p(hits, n, 0.5) == pytest.approx(2 * tail, rel=1e-9)


@pytest.mark.parametrize(("n", "k", "p"), [(5, 1, 1 / 3), (8, 2, 1 / 3), (9, 0, 0.1), (9, 6, 0.7)])
def test_two_outcomes_may_be_the_likeliest(n, k, p):
    """`(n - k) p = (k + 1)(1 - p)`: k and k + 1 are equally likely, so neither is extreme."""
    assert exact_binomial_p(k, n, p) == pytest.approx(1.0)
    assert exact_binomial_p(k + 1, n, p) == pytest.approx(1.0)


def test_the_binomial_test_is_bounded_in_size():
    with pytest.raises(OutOfRangeError):
        exact_binomial_p(1, 10_000_001, 0.5)


def test_bounds_belong_to_their_interval():
    found = interval_coverage([1.0, 2.0, 3.0, 4.0], [1.0, 1.0, 3.5, 0.0], [1.5, 2.0, 4.0, 3.9])
    assert found.coverage == 0.5
    assert found.mean_width == pytest.approx((0.5 + 1.0 + 0.5 + 3.9) / 4)


@pytest.mark.parametrize(
    ("y", "lower", "upper"),
    [
        ([], [], []),
        ([1.0], [2.0], [1.0]),
        ([1.0], [0.0, 0.0], [1.0]),
        ([math.nan], [0.0], [1.0]),
        ([1.0], [-math.inf], [math.inf]),
    ],
)
def test_intervals_that_are_none_are_refused(y, lower, upper):
    with pytest.raises(StatisticsInputError):
        interval_coverage(y, lower, upper)


@pytest.mark.parametrize(
    ("p", "days", "fewest", "most"),
    [
        (0.01, 255, None, 6),
        (0.01, 510, 2, 10),
        (0.01, 1000, 5, 16),
        (0.05, 255, 7, 20),
        (0.05, 510, 17, 35),
        (0.05, 1000, 38, 64),
        (0.10, 255, 17, 35),
        (0.10, 1000, 82, 119),
    ],
)
def test_reproduces_the_published_nonrejection_regions(p, days, fewest, most):
    """Kupiec (1995): exceptions not rejected at 5 %; one row is printed without a lower end."""
    accepted = [x for x in range(days + 1) if kupiec_pof(days, x, p).p_value > 0.05]
    assert accepted[-1] == most
    assert fewest in (None, accepted[0])


def test_as_many_exceptions_as_promised_are_no_evidence_against():
    test = kupiec_pof(100, 5, 0.05)
    assert (test.lr, test.p_value) == (0.0, 1.0)


def test_no_and_only_exceptions_have_a_finite_ratio():
    assert kupiec_pof(100, 0, 0.01).lr == pytest.approx(-200 * math.log(0.99))
    assert kupiec_pof(100, 100, 0.5).lr == pytest.approx(200 * math.log(2.0))


@pytest.mark.parametrize(
    ("n", "x", "p"), [(0, 0, 0.01), (10, 11, 0.01), (10, 1, 0.0), (10, 1, 1.0)]
)
def test_kupiec_refuses(n, x, p):
    with pytest.raises(StatisticsInputError):
        kupiec_pof(n, x, p)
