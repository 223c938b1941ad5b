"""Point-in-time bars of sessions: what is known, what is missing, what splits and pays."""

import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.orders.policy import parse_paper_policy
from torghut_assets.resources.session_bars import NoBarsYetError, SessionBars
from torghut_assets.resources.session_market import market_digest

D = dt.date
DAYS = ["2021-12-28", "2021-12-29", "2021-12-30", "2021-12-31", "2022-01-03", "2022-01-04"]
UNIVERSE = """\
universes:
  - name: two-shares
    title: Two shares
    symbols: [AAA, BBB]
    frequency: 1d
    calendar: XNYS
    source: {kind: folder, path: bars, title: own bars, licence: own}
    start: 2021-12-01
    max_staleness_sessions: 5
    caveats: [Two made-up shares for a test.]
"""


def bars_of(home, **changes):
    """Write six days of two shares; `AAA_close=[…]` replaces a column of one share."""
    rows = {"open": 10.0, "high": 10.2, "low": 9.8, "close": 10.1, "volume": 1e6}
    table = {"symbol": [], "time": [], **{name: [] for name in rows}, "adjusted_close": []}
    for symbol in ("AAA", "BBB"):
        table["symbol"] += [symbol] * len(DAYS)
        table["time"] += [dt.datetime.fromisoformat(d) for d in DAYS]
        for name, value in rows.items():
            table[name] += changes.get(f"{symbol}_{name}", [value] * len(DAYS))
        close = changes.get(f"{symbol}_close", [rows["close"]] * len(DAYS))
        table["adjusted_close"] += changes.get(f"{symbol}_adjusted_close", close)
    keep = [i for i in range(len(table["time"])) if i not in changes.get("without", ())]
    columns = {name: [values[i] for i in keep] for name, values in table.items()}
    columns["time"] = pa.array(columns["time"], pa.timestamp("us", tz="UTC"))
    folder = home.universes_folder / "bars"
    folder.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / "bars.parquet")
    (home.universes_folder / "own.yaml").write_text(UNIVERSE)
    bars = SessionBars(home)
    return bars, bars.universe("two-shares")


@pytest.fixture
def policy(home):
    return parse_paper_policy(home.config_path("paper_policy").read_bytes())


SYMBOLS = ("AAA", "BBB")
NAN = float("nan")


def test_what_is_known_ends_before_the_session(home):
    bars, universe = bars_of(home)
    known = bars.known_before(universe, D(2022, 1, 3), SYMBOLS)
    assert str(known.panel.times[-1])[:10] == "2021-12-31"
    assert known.sessions_behind == {"AAA": 0, "BBB": 0}
    assert known.closes() == {"AAA": 10.1, "BBB": 10.1}
    assert known.average_volume(20) == {"AAA": 1e6, "BBB": 1e6}


def test_bars_that_come_later_do_not_change_what_was_known(home):
    bars, universe = bars_of(home)
    before = bars.known_before(universe, D(2022, 1, 3), SYMBOLS).digest
    later = [10.1] * 4 + [99.0, 99.0]
    again, universe = bars_of(home, AAA_close=later, AAA_high=[10.2] * 4 + [99.0] * 2)
    assert again.known_before(universe, D(2022, 1, 3), SYMBOLS).digest == before
    assert again.known_before(universe, D(2022, 1, 4), SYMBOLS).digest != before


@pytest.mark.parametrize(
    "harm",
    [
        {"AAA_close": [10.1] * 3 + [NAN] + [10.1] * 2},
        {"AAA_open": [10.0] * 3 + [-1.0] + [10.0] * 2},
        {"AAA_high": [10.2] * 3 + [9.0] + [10.2] * 2},
        {"AAA_volume": [1e6] * 3 + [-5.0] + [1e6] * 2},
        {"without": (3,)},
    ],
)
def test_an_impossible_or_missing_bar_is_missing_and_never_priced(home, harm):
    bars, universe = bars_of(home, **harm)
    known = bars.known_before(universe, D(2022, 1, 3), SYMBOLS)
    assert known.sessions_behind == {"AAA": 1, "BBB": 0}
    assert known.closes() == {"AAA": None, "BBB": 10.1}
    assert np.isnan(known.panel.close[-1, 0])


def test_a_symbol_that_the_source_does_not_have_is_not_known(home, policy):
    bars, universe = bars_of(home, without=tuple(range(6, 12)))
    known = bars.known_before(universe, D(2022, 1, 3), SYMBOLS)
    assert known.sessions_behind["BBB"] is None
    assert known.average_volume(20)["BBB"] is None
    day = bars.market(universe, D(2022, 1, 3), SYMBOLS, policy).days["BBB"]
    assert (day.bar.close_usd, day.half_spread_fraction) == (None, None)


def test_a_halted_session_has_a_bar_of_nothing(home, policy):
    bars, universe = bars_of(home, without=(4,))
    days = bars.market(universe, D(2022, 1, 3), SYMBOLS, policy).days
    assert days["AAA"].bar.open_usd is None
    assert days["BBB"].bar.open_usd == 10.0


def test_a_session_that_the_source_does_not_have_yet_is_refused(home, policy):
    bars, universe = bars_of(home, without=(4, 5, 10, 11))
    with pytest.raises(NoBarsYetError, match="2022-01-03"):
        bars.market(universe, D(2022, 1, 3), SYMBOLS, policy)


def test_splits_and_dividends_inside_the_window_are_seen(home, policy):
    adjusted = [10.1 / 4] * 4 + [10.1] * 2
    bars, universe = bars_of(
        home,
        AAA_adjusted_close=adjusted,
        BBB_adjusted_close=[10.0] * 4 + [10.1] * 2,
    )
    days = bars.market(universe, D(2022, 1, 3), SYMBOLS, policy).days
    assert days["AAA"].split_ratio == 4.0
    assert days["BBB"].dividend_usd == pytest.approx(0.1)
    after = bars.market(universe, D(2022, 1, 4), SYMBOLS, policy).days
    assert (after["AAA"].split_ratio, after["BBB"].dividend_usd) == (1.0, 0.0)


def test_the_dividends_of_the_embedded_data_are_those_that_were_paid(home, policy):
    """Apple paid 0.22 and 0.23 USD a share with these ex-dates; Nvidia 0.04; none on 2022-01-03."""
    bars = SessionBars(home)
    universe = bars.universe("us-megacaps")
    for day, symbol, paid in (
        (D(2022, 2, 4), "AAPL", 0.22),
        (D(2022, 5, 6), "AAPL", 0.23),
        (D(2022, 3, 2), "NVDA", 0.04),
        (D(2022, 1, 3), "AAPL", 0.0),
    ):
        found = bars.market(universe, day, universe.symbols, policy).days[symbol]
        assert found.dividend_usd == pytest.approx(paid, abs=5e-4)
        assert found.split_ratio == 1.0


def test_half_a_spread_is_at_least_half_a_cent(home, policy):
    bars, universe = bars_of(home)
    day = bars.market(universe, D(2022, 1, 3), SYMBOLS, policy).days["AAA"]
    assert day.half_spread_fraction >= 0.005 / 10.1


def test_the_market_has_one_digest(home, policy):
    bars, universe = bars_of(home)
    market = bars.market(universe, D(2022, 1, 3), SYMBOLS, policy)
    again, universe = bars_of(home)
    assert market_digest(market) == market_digest(
        again.market(universe, D(2022, 1, 3), SYMBOLS, policy)
    )


@pytest.mark.parametrize("day", [D(2022, 1, 1), D(2022, 1, 17), D(2021, 12, 25)])
def test_a_day_without_trading_is_refused(home, day):
    bars, universe = bars_of(home)
    with pytest.raises(BadInputError, match="trading day of XNYS"):
        bars.times(universe, day)


def test_times_are_those_of_the_exchange_also_on_short_days(home):
    bars, universe = bars_of(home)
    short = bars.times(universe, D(2022, 11, 25))
    assert (short.previous, short.opens_at, short.closes_at) == (
        "2022-11-23",
        "2022-11-25T14:30:00Z",
        "2022-11-25T18:00:00Z",
    )


def test_a_history_that_does_not_reach_back_is_refused(home):
    bars, universe = bars_of(home)
    with pytest.raises(BadInputError, match="a history to decide on"):
        bars.known_before(universe, D(2021, 12, 28), SYMBOLS)


def test_a_bar_that_comes_twice_counts_once_and_a_contradicted_one_is_missing(home):
    """Nobody knows which of two different bars happened; the same bar twice changes nothing."""
    bars, universe = bars_of(home)
    once = bars.history(universe, SYMBOLS)
    path = home.universes_folder / "bars" / "bars.parquet"
    table = pq.read_table(path)
    pq.write_table(pa.concat_tables([table, table.slice(1, 1)]), path)
    twice = SessionBars(home).history(universe, SYMBOLS)
    assert np.array_equal(twice.close, once.close)
    other = table.slice(1, 1).set_column(5, "close", pa.array([10.15]))
    assert table.schema.names[5] == "close"
    pq.write_table(pa.concat_tables([table, other]), path)
    found = SessionBars(home).history(universe, SYMBOLS)
    assert np.isnan(found.close[1, 0])
    assert np.isnan(found.open[1, 0])
    assert np.isfinite(found.close).sum() == once.close.size - 1
