import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from register_examples import Chain, digest

from torghut_assets.domain.backtest.families import ReturnSeries
from torghut_assets.domain.backtest.return_correlation import (
    correlation_of,
    correlations_with_earlier,
    outcomes_to_compare,
)
from torghut_assets.domain.errors import BadInputError


def series(returns, first=0):
    returns = np.asarray(returns, dtype=np.float64)
    return ReturnSeries(
        times=np.arange(first, first + len(returns)).astype("datetime64[D]"), returns=returns
    )


def noise(seed, n=300):
    return np.random.default_rng(seed).normal(0, 0.01, n)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_equals_numpy_on_common_bars(seed):
    left, right = noise(seed), noise(seed) + noise(seed + 10) * 0.5
    shifted = correlation_of(series(left), series(right[40:], first=40), min_overlap=60)
    assert shifted == pytest.approx(np.corrcoef(left[40:], right[40:])[0, 1], abs=1e-12)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), scale=st.floats(1e-3, 1e3), offset=st.floats(-0.1, 0.1))
def test_size_and_leverage_do_not_hide_a_copy(seed, scale, offset):
    original = series(noise(seed))
    copy = series(noise(seed) * scale + offset)
    inverse = series(-scale * noise(seed))
    assert correlation_of(original, copy, min_overlap=60) == pytest.approx(1, abs=1e-9)
    assert correlation_of(original, inverse, min_overlap=60) == pytest.approx(-1, abs=1e-9)
    assert correlation_of(copy, original, min_overlap=60) == correlation_of(
        original, copy, min_overlap=60
    )


def test_too_few_common_bars_say_nothing():
    one, other = series(noise(1)), series(noise(1)[:100], first=241)
    assert correlation_of(one, other, min_overlap=60) is None
    assert correlation_of(one, other, min_overlap=59) is not None


def test_a_series_that_stands_still_correlates_with_nothing():
    assert correlation_of(series(noise(1)), series(np.zeros(300)), min_overlap=60) is None


@pytest.mark.parametrize(
    ("times", "returns"),
    [
        ([0, 1, 2], [0.1, 0.2]),
        ([0, 1, 1], [0.1, 0.2, 0.3]),
        ([0, 2, 1], [0.1, 0.2, 0.3]),
        ([0, 1, 2], [0.1, np.nan, 0.3]),
        ([0, 1, 2], [0.1, np.inf, 0.3]),
    ],
)
def test_a_series_that_is_none_is_refused(times, returns):
    with pytest.raises(BadInputError, match="return series"):
        ReturnSeries(times=np.array(times, dtype="datetime64[D]"), returns=np.array(returns))


def test_only_the_latest_result_of_every_other_family_is_compared():
    chain = Chain()
    chain.done("momentum-a", code="own")
    chain.done("same-type", family="own type")
    chain.done("other", grid=5)
    latest = chain.ticket("other", grid=5)
    chain.end(latest)
    chain.end(chain.ticket("no-returns"), returns=None)
    chain.end(chain.ticket("abandoned"), None)
    new = chain.ticket("newcomer", code="own", family="own type")
    found = outcomes_to_compare(chain.entries, new.trial)
    assert [outcome.ticket_sequence for outcome in found] == [latest.sequence]


def test_what_is_known_is_not_computed_again():
    chain = Chain()
    one, two = chain.done("first-one"), chain.done("second-one")
    new = chain.ticket("newcomer")
    loaded = []

    def load(of):
        loaded.append(of)
        return series(noise(7))

    found = correlations_with_earlier(
        chain.entries, new, series(noise(7)), load, min_overlap=60, known={one.sequence: 0.25}
    )
    assert found == {one.sequence: 0.25, two.sequence: pytest.approx(1.0)}
    assert loaded == [digest("returns")]
