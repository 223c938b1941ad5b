"""Adapters: the forms of input that no reference case covers."""

import math

import pytest

from torghut_assets.domain.errors import BadInputError
from torghut_assets.reference_api import FUNCTIONS


def test_the_number_of_splits_takes_one_number_as_well():
    assert FUNCTIONS["pbo_n_combinations"](n_blocks=10) == 252


def test_three_returns_have_no_corrected_moments():
    found = FUNCTIONS["psr_from_returns"](returns=[0.01, 0.02, 0.04])
    assert 0 < found["population_moments"] < 1
    assert math.isnan(found["bias_corrected_moments"])


@pytest.mark.parametrize("inputs", [{}, {"recipe": "import os"}, {"recipe": "RandomState(1)"}])
def test_a_recipe_is_text_of_one_form_and_never_run(inputs):
    with pytest.raises(BadInputError):
        FUNCTIONS["optimal_block_length"](**inputs)


def test_an_unknown_signal_is_refused():
    with pytest.raises(BadInputError):
        FUNCTIONS["truncation_invariance"](x=[1.0, 2.0], signal="crystal_ball")


def test_detectors_take_values_and_settings():
    stream = [0.0] * 100 + [5.0] * 100
    assert FUNCTIONS["page_hinkley"](x=stream, threshold=20.0)["alarms"]
    assert FUNCTIONS["adwin"](x=stream, delta=0.01)["alarms"]


def test_a_table_needs_a_field_per_column():
    with pytest.raises(BadInputError):
        FUNCTIONS["asof_join"](
            columns=["available_at", "value"], records=[["2020-01-01"]], queries=[]
        )


@pytest.mark.parametrize("as_table", [True, False])
def test_minute_bars_come_as_a_table_or_by_column(as_table):
    columns = ["time", "open", "high", "low", "close", "volume"]
    rows = [
        ["2024-01-02T14:30:00", 10.0, 10.2, 9.9, 10.1, 1000],
        ["2024-01-02T14:31:00", 10.1, 10.3, 10.0, 10.2, 3000],
    ]
    by_column = {name: [row[i] for row in rows] for i, name in enumerate(columns)}
    found = FUNCTIONS["tca_from_minute_bars"](
        bars=rows if as_table else by_column,
        side="buy",
        ordered=200,
        start="2024-01-02T14:30:00",
        end="2024-01-02T14:32:00",
        fills=[[100, 10.1], [100, 10.2]],
    )
    assert found["arrival"] == 10.0
    assert found["avg_fill"] == pytest.approx(10.15)
    assert found["participation"] == pytest.approx(0.05)
    assert found["arrival_slippage_bps"] == pytest.approx(150)


def test_gaps_are_found_against_the_exchange_or_given_sessions():
    dates = ["2024-07-02", "2024-07-04", "2024-07-08"]
    found = FUNCTIONS["calendar_gaps"](dates=dates)
    assert found == {"missing": ["2024-07-03", "2024-07-05"], "unexpected": ["2024-07-04"]}
    given = FUNCTIONS["calendar_gaps"](dates=dates, sessions=dates)
    assert given == {"missing": [], "unexpected": []}


def test_a_bad_print_is_marked():
    close = [100.0, 100.5, 100.2, 100.9, 150.0, 100.7, 101.0, 100.6, 101.3]
    found = FUNCTIONS["daily_bar_outliers"](close=close)
    assert found["indices"] == [4]
    assert found["flags"].index(True) == 4


def test_lean_rows_are_scaled_and_adjusted():
    rows = [
        "20240105 00:00,1000000,1100000,990000,1050000,500",
        "20240108 00:00,500000,550000,490000,525000,900",
    ]
    traded = FUNCTIONS["lean_daily_adjusted"](rows=rows)
    assert traded["close"] == [105.0, 52.5]
    adjusted = FUNCTIONS["lean_daily_adjusted"](
        rows=rows, factor_rows=["20240105,0.98,0.5,105", "20501231,1,1,0"]
    )
    assert adjusted["dates"] == ["2024-01-05", "2024-01-08"]
    assert adjusted["close"] == pytest.approx([105.0 * 0.98 * 0.5, 52.5])


def test_lean_minutes_come_out_in_utc():
    found = FUNCTIONS["lean_minute_bars"](
        date="2024-01-05", rows=["34200000,10000,10000,10000,10000,7"]
    )
    assert found["times"] == ["2024-01-05T14:30:00Z"]
    assert found["close"] == [1.0]
    assert found["volume"] == [7.0]
