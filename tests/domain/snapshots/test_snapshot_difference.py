import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.snapshots.difference import describe_change, first_difference
from torghut_assets.domain.snapshots.records import SymbolCoverage
from torghut_assets.domain.snapshots.schema import bar_batch

DAYS = np.datetime64("2021-01-04", "us") + np.arange(30) * np.timedelta64(1, "D")


def batch(close, symbol="AAA"):
    close = np.asarray(close, dtype=float)
    numbers = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    return bar_batch(symbol, DAYS[: len(close)], numbers)


def cut(whole, places):
    edges = [0, *sorted(places), whole.num_rows]
    return [whole.slice(a, b - a) for a, b in itertools.pairwise(edges)]


CUTS = st.sets(st.integers(0, 30), max_size=5)


@settings(max_examples=50)
@given(row=st.integers(0, 29), before=CUTS, after=CUTS)
def test_the_first_changed_bar_is_found_wherever_batches_are_cut(row, before, after):
    old, new = np.arange(1.0, 31.0), np.arange(1.0, 31.0)
    new[row:] += 0.5
    found = first_difference(cut(batch(old), before), cut(batch(new), after))
    assert found.startswith(f"stored AAA {DAYS[row].item():%Y-%m-%d}")
    assert f"close {float(old[row])}" in found
    assert f"close {float(new[row])}" in found.split("now")[1]
    assert first_difference(cut(batch(old), before), cut(batch(old), after)) is None


def test_bars_at_the_end_of_one_side_are_named():
    short, long = batch([1.0, 2.0]), batch([1.0, 2.0, 3.0])
    assert first_difference([short], [long]).endswith("is only in the new bars")
    assert first_difference([long], [short]).endswith("is only in the stored bars")
    assert first_difference([], [short]).startswith("AAA 2021-01-04T00:00:00+00:00")
    assert first_difference([], []) is None


def coverage(symbol, rows):
    return SymbolCoverage(
        symbol=symbol, rows=rows, first_session=None, last_session=None, missing_sessions=0
    )


@pytest.mark.parametrize("first", ["stored x, now y"])
def test_a_change_is_told_in_rows_symbols_and_the_first_bar(first):
    text = describe_change(
        [coverage("AAA", 5), coverage("BBB", 5)], [coverage("AAA", 6), coverage("CCC", 1)], first
    )
    assert text == (
        "10 bars stored, 7 now; symbols gone: BBB; symbols added: CCC; "
        "bars per symbol: AAA 5 to 6; first difference: stored x, now y"
    )
