import datetime as dt
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.snapshots.errors import SourceUnreadableError
from torghut_assets.domain.snapshots.lean import (
    NEW_YORK,
    new_york_to_utc,
    parse_daily_bars,
    parse_minute_quotes,
    parse_minute_trades,
    point_in_time_numbers,
)
from torghut_assets.domain.snapshots.lean_adjustment import (
    FactorFile,
    lean_daily_adjusted,
    parse_factor_file,
    parse_map_file,
)

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "lean.json").read_text())
AAPL = parse_factor_file(GOLDEN["aapl_factor_file"].encode(), location="aapl.csv")


@pytest.mark.parametrize("case", GOLDEN["daily_adjusted"], ids=lambda case: case["day"])
def test_daily_prices_are_adjusted_by_the_first_row_on_or_after_the_day(case):
    row = f"{case['day'].replace('-', '')} 00:00,{','.join([str(case['stored'])] * 4)},10\n"
    bars = parse_daily_bars(row.encode(), location="aapl.zip")
    assert bars.prices[0, 3] == pytest.approx(case["usd"], abs=1e-12)
    adjusted = lean_daily_adjusted(bars.times, bars.prices, AAPL)
    assert adjusted.shape == (1, 4)
    assert adjusted[0, 3] == pytest.approx(case["adjusted"], rel=1e-12)
    alone = lean_daily_adjusted(bars.times, bars.prices[:, 3], AAPL)
    assert alone[0] == adjusted[0, 3]


def test_scale_factors_agree_with_the_expectations_of_lean():
    case = GOLDEN["scale_factor_by_age_in_days"]
    today = np.datetime64("2018-01-01")
    rows = sorted((today - age, price, split) for age, price, split in case["rows"])
    factors = FactorFile(
        dates=np.array([row[0] for row in rows]),
        price_factors=np.array([row[1] for row in rows]),
        split_factors=np.array([row[2] for row in rows]),
        usable_from=None,
    )
    for age, expected in case["expected"]:
        price, split = factors.at(np.array([today - age]))
        assert price[0] * split[0] == pytest.approx(expected, rel=1e-12)
    after = factors.at(np.array([today + 1]))
    assert (after[0][0], after[1][0]) == (1.0, 1.0)


def test_an_infinite_factor_ends_the_usable_history():
    factors = parse_factor_file(GOLDEN["infinite_factor_file"].encode(), location="f.csv")
    assert len(factors.dates) == 3
    assert factors.usable_from == dt.date(2015, 12, 12)


def test_a_map_file_gives_tickers_by_date():
    spans = parse_map_file(GOLDEN["goog_map_file"].encode(), location="goog.csv")
    assert [(s.ticker, s.after, s.until) for s in spans] == [
        ("goocv", dt.date(2014, 3, 26), dt.date(2014, 3, 27)),
        ("goocv", dt.date(2014, 3, 27), dt.date(2014, 4, 2)),
        ("goog", dt.date(2014, 4, 2), dt.date(2050, 12, 31)),
    ]


@pytest.mark.parametrize("case", GOLDEN["minute_times"], ids=lambda case: case["utc"])
def test_minutes_are_new_york_bar_starts(case):
    day = dt.date.fromisoformat(case["day"])
    row = f"{case['milliseconds']},1351700,1352000,1351600,1351900,4200\n".encode()
    bars = parse_minute_trades(row, day, location="spy.zip")
    assert bars.times[0] == np.datetime64(case["utc"], "us")
    assert bars.prices[0].tolist() == pytest.approx([135.17, 135.20, 135.16, 135.19])
    assert bars.volume[0] == 4200.0


@settings(max_examples=60)
@given(st.dates(dt.date(1990, 1, 1), dt.date(2040, 1, 1)), st.integers(0, 1439))
def test_minute_times_agree_with_the_time_zone_database(day, minute):
    found = new_york_to_utc(day, np.array([minute * 60_000.0]), location="x")[0]
    wall = dt.datetime.combine(day, dt.time(minute // 60, minute % 60), NEW_YORK)
    assert found.item() == wall.astimezone(dt.UTC).replace(tzinfo=None)


def test_quotes_become_mids_and_a_missing_side_is_taken_from_the_other():
    rows = (
        b"34200000,100000,100200,99800,100000,5,100400,100600,100200,100400,7\n"
        b"34260000,,,,,,100400,100600,100200,100400,7\n"
        b"34320000,100000,100200,99800,100000,5,0,0,0,0,0\n"
        b"34380000,,,,,,,,,,\n"
    )
    bars = parse_minute_quotes(rows, dt.date(2021, 7, 1), location="q.zip")
    assert bars.prices[0].tolist() == pytest.approx([10.02, 10.04, 10.0, 10.02])
    assert bars.prices[1].tolist() == pytest.approx([10.04, 10.06, 10.02, 10.04])
    assert bars.prices[2].tolist() == pytest.approx([10.0, 10.02, 9.98, 10.0])
    assert np.isnan(bars.prices[3]).all()
    assert bars.volume.tolist() == [0.0] * 4


def test_a_cut_knows_nothing_of_later_splits():
    """Before the 7-for-1 split of 2014-06-09 Apple traded at 645.57."""
    row = b"20140606 00:00,6455700,6455700,6455700,6455700,700\n"
    bars = parse_daily_bars(row, location="aapl.zip")
    then = point_in_time_numbers(bars, bars.times, AAPL, dt.date(2014, 6, 6))
    assert then["close"][0] == pytest.approx(645.57, rel=1e-12)
    assert then["adjusted_close"][0] == pytest.approx(645.57, rel=1e-12)
    assert then["volume"][0] == pytest.approx(700, rel=1e-12)
    later = point_in_time_numbers(bars, bars.times, AAPL, dt.date(2014, 6, 9))
    assert later["close"][0] == pytest.approx(645.57 / 7, rel=1e-5)
    assert later["volume"][0] == pytest.approx(4_900, rel=1e-5)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"20140101,1\n",
        b"nonsense,1,1\n",
        b"20140101,x,1\n",
        b"20140101,0,1\n",
        b"20140101,1,-1\n",
        b"20140101,1,1\n20140101,1,1\n",
        b"\xff\xfe\n",
        b"20140101,nan,1\n",
    ],
)
def test_a_damaged_factor_file_is_refused(payload):
    with pytest.raises(SourceUnreadableError):
        parse_factor_file(payload, location="f.csv")


@pytest.mark.parametrize("ticker", ["../../etc", "a/b", "", "a b", ".."])
def test_a_ticker_that_could_be_a_path_is_refused(ticker):
    with pytest.raises(SourceUnreadableError):
        parse_map_file(f"20140101,{ticker}\n".encode(), location="m.csv")


@pytest.mark.parametrize("time", ["-1", "86400000", "1.5", "", "noon"])
def test_a_minute_outside_the_day_is_refused(time):
    with pytest.raises(SourceUnreadableError):
        parse_minute_trades(f"{time},1,1,1,1,1\n".encode(), dt.date(2021, 7, 1), location="t.zip")


@pytest.mark.parametrize("payload", [b"", b"20140101 00:00,1,1\n", b"someday,1,1,1,1,1\n"])
def test_a_damaged_daily_file_is_refused(payload):
    with pytest.raises(SourceUnreadableError):
        parse_daily_bars(payload, location="d.zip")
