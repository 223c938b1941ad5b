import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.tca.impact import (
    IStarParameters,
    almgren2005_impact,
    istar_impact,
    square_root_impact_bps,
)

IBM = {"shares_outstanding": 1_728e6, "adv": 6.561e6, "sigma_daily": 0.0157}
DRI = {"shares_outstanding": 168e6, "adv": 1.929e6, "sigma_daily": 0.0226}
SIZES = st.floats(0.001, 1.0)


@pytest.mark.parametrize(
    ("stock", "days", "permanent", "temporary", "cost"),
    [(IBM, 0.1, 20, 22, 32), (IBM, 0.5, 20, 8, 18), (DRI, 0.1, 22, 32, 43), (DRI, 0.5, 22, 12, 23)],
)
def test_reproduces_the_published_table(stock, days, permanent, temporary, cost):
    """Almgren et al. (2005), table 3: 10 % of daily volume, rounded basis points."""
    impact = almgren2005_impact(0.1, **stock, T_days=days)
    assert round(impact.I_bps) == permanent
    assert round(impact.K_bps) == temporary
    assert round(impact.J_bps) == cost


@given(size=SIZES, days=st.floats(0.05, 5.0))
def test_impact_is_a_cost_of_both_sides(size, days):
    assert almgren2005_impact(size, **IBM, T_days=days) == almgren2005_impact(
        -size, **IBM, T_days=days
    )


@given(size=SIZES)
def test_slower_execution_lowers_the_temporary_impact_only(size):
    fast, slow = (almgren2005_impact(size, **IBM, T_days=days) for days in (0.5, 1.0))
    assert fast.I_bps == slow.I_bps
    assert fast.K_bps == pytest.approx(slow.K_bps * 2**0.6)


def test_one_percent_of_the_volume_costs_a_tenth_of_the_volatility():
    assert square_root_impact_bps(1.0, 0.02, -10_000, 1_000_000) == pytest.approx(20.0)


@given(size=st.floats(1.0, 1e6), factor=st.floats(1.0, 100.0))
def test_four_times_the_size_has_twice_the_impact(size, factor):
    small = square_root_impact_bps(0.8, 0.02, size, 1e6)
    assert square_root_impact_bps(0.8, 0.02, size * factor, 1e6) == pytest.approx(
        small * math.sqrt(factor)
    )


def test_istar_at_full_participation_is_the_instantaneous_impact():
    impact = istar_impact(0.1, 0.25, 1.0)
    assert impact.I_star_bps == pytest.approx(708 * 0.1**0.55 * 0.25**0.71)
    assert impact.MI_bps == pytest.approx(impact.I_star_bps)


def test_istar_by_hand():
    impact = istar_impact(-0.25, 0.16, 0.25, IStarParameters(100.0, 0.5, 0.5, 0.5, 0.9))
    assert impact.I_star_bps == pytest.approx(20.0)
    assert impact.MI_bps == pytest.approx(0.9 * 20.0 * 0.5 + 0.1 * 20.0)


@given(low=st.floats(0.01, 0.99))
def test_patience_never_costs_more(low):
    assert istar_impact(0.1, 0.3, low).MI_bps <= istar_impact(0.1, 0.3, 1.0).MI_bps


@pytest.mark.parametrize(
    "arguments",
    [
        (1.0, 0.02, 100.0, 0.0),
        (1.0, 0.02, 100.0, math.nan),
        (1.0, 0.02, math.nan, 1.0),
        (1.0, -0.02, 1.0, 1.0),
        (0.0, 0.02, 1.0, 1.0),
    ],
)
def test_the_square_root_of_the_unknown_is_refused(arguments):
    with pytest.raises(StatisticsInputError):
        square_root_impact_bps(*arguments)


@pytest.mark.parametrize("change", [{"T_days": 0.0}, {"adv": 0.0}, {"sigma_daily": math.nan}])
def test_almgren_refuses(change):
    with pytest.raises(StatisticsInputError):
        almgren2005_impact(0.1, **{**IBM, "T_days": 0.5, **change})


@pytest.mark.parametrize(
    ("arguments", "parameters"),
    [
        ((0.1, 0.25, 0.0), IStarParameters()),
        ((0.1, 0.25, 1.1), IStarParameters()),
        ((math.inf, 0.25, 0.1), IStarParameters()),
        ((0.1, 0.25, 0.1), IStarParameters(b1=1.5)),
        ((0.1, 0.25, 0.1), IStarParameters(a1=0.0)),
    ],
)
def test_istar_refuses(arguments, parameters):
    with pytest.raises(StatisticsInputError):
        istar_impact(*arguments, parameters)
