import datetime as dt
import itertools
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.snapshots import bar_rows, symbol_series
from torghut_assets.domain.snapshots.calendar import ExchangeSessions
from torghut_assets.domain.snapshots.findings import CHECKS, FindingLog
from torghut_assets.domain.snapshots.quality import BarChecker, SnapshotWindow
from torghut_assets.domain.snapshots.schema import BAR_SCHEMA, bar_batch

FIRST = np.datetime64("2021-01-04")  # a Monday; sessions here are plain weekdays
WEEKDAYS = np.array([FIRST + w * 7 + d for w in range(12) for d in range(5)])
HOUR = np.timedelta64(3_600_000_000, "us")
MINUTE = np.timedelta64(60, "s")
N = 40


def sessions(dates=WEEKDAYS):
    midnight = dates.astype("datetime64[us]") + np.timedelta64(5, "h")
    return ExchangeSessions(
        calendar="TEST",
        zone="UTC",
        dates=dates,
        opens=midnight + np.timedelta64(9, "h"),
        closes=midnight + np.timedelta64(9, "h") + 10 * MINUTE,
        midnights=midnight,
        next_midnights=midnight + np.timedelta64(24, "h"),
    )


def window(symbols=("AAA",), frequency="1d", as_of=WEEKDAYS[N - 1], staleness=5):
    end = (as_of + 1).astype("datetime64[us]") + (frequency == "1m") * 12 * HOUR
    return SnapshotWindow(
        symbols=symbols,
        frequency=frequency,
        start_us=0,
        end_us=int(end.astype(np.int64)),
        as_of=as_of.item(),
        max_staleness_sessions=staleness,
    )


def bars(n=N, seed=1):
    close = 50.0 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, n)))
    return {
        "open": close * 1.001,
        "high": close * 1.01,
        "low": close * 0.99,
        "close": close,
        "volume": np.full(n, 1e6),
        "adjusted_close": close * 0.9,
    }


def batch(symbol="AAA", times=WEEKDAYS[:N], **changes):
    numbers = bars(len(times))
    for name, (row, value) in changes.items():
        numbers[name][row] = value
    return bar_batch(symbol, times.astype("datetime64[us]"), numbers)


def check(*batches, **of_window):
    checker = BarChecker(window(**of_window), sessions())
    for piece in batches:
        checker.feed(piece)
    return checker.finish()


def found(report):
    return {(f.check, f.severity): f.count for f in report.findings}


def test_clean_bars_pass_without_a_finding():
    report = check(batch())
    assert report.usable
    assert report.findings == ()
    assert (report.rows, report.first_session, report.last_session) == (
        N,
        dt.date(2021, 1, 4),
        dt.date(2021, 2, 26),
    )
    (coverage,) = report.coverage
    assert (coverage.symbol, coverage.rows, coverage.missing_sessions) == ("AAA", N, 0)


@pytest.mark.parametrize(
    ("check_name", "changes"),
    [
        ("finite_values", {"close": (3, np.nan)}),
        ("finite_values", {"high": (3, np.inf)}),
        ("finite_values", {"volume": (3, np.nan)}),
        ("finite_values", {"adjusted_close": (3, np.inf)}),
        ("positive_prices", {"low": (3, -1.0)}),
        ("positive_prices", {"low": (3, 0.0)}),
        ("positive_prices", {"adjusted_close": (3, -2.0)}),
        ("price_order", {"high": (3, 1.0)}),
        ("price_order", {"low": (3, 99.0)}),
        ("price_order", {"open": (3, 999.0)}),
        ("volume_sign", {"volume": (3, -1.0)}),
    ],
)
def test_a_bar_that_no_market_can_make_is_an_error(check_name, changes):
    report = check(batch(**changes))
    assert not report.usable
    assert found(report)[check_name, "error"] == 1
    example = next(f.example for f in report.findings if f.check == check_name)
    assert example.startswith("AAA 2021-01-07")


def test_a_null_is_an_error_and_is_counted_per_column():
    clean = batch()
    columns = [clean.column(name) for name in clean.schema.names]
    columns[5] = pa.array([None, None, *columns[5].to_pylist()[2:]], pa.float64())
    report = check(pa.record_batch(columns, names=clean.schema.names))
    assert found(report)["no_nulls", "error"] == 2
    nothing = pa.record_batch([pa.nulls(3, field.type) for field in BAR_SCHEMA], schema=BAR_SCHEMA)
    assert found(check(nothing))["no_nulls", "error"] == 24


def test_a_repeated_bar_is_a_duplicate():
    times = WEEKDAYS[[0, 1, 1, 2, 3]]
    report = check(batch(times=times), as_of=WEEKDAYS[3])
    assert found(report)["no_duplicates", "error"] == 1


def test_time_that_goes_back_is_an_error_that_names_both_bars():
    report = check(batch(times=WEEKDAYS[[0, 1, 3, 2, 4]]), as_of=WEEKDAYS[4])
    assert found(report)["time_order", "error"] == 1
    assert report.findings[0].example == "AAA 2021-01-06 comes after 2021-01-07"


def test_duplicates_and_disorder_are_seen_across_batches():
    repeated = check(batch(times=WEEKDAYS[:3]), batch(times=WEEKDAYS[2:5]), as_of=WEEKDAYS[4])
    assert found(repeated)["no_duplicates", "error"] == 1
    back = check(batch(times=WEEKDAYS[3:5]), batch(times=WEEKDAYS[:2]), as_of=WEEKDAYS[4])
    assert found(back)["time_order", "error"] == 1
    assert back.findings[0].example == "AAA 2021-01-04 comes after 2021-01-08"


def test_a_symbol_in_two_pieces_is_out_of_order():
    report = check(
        batch("AAA", WEEKDAYS[:9]),
        batch("BBB"),
        batch("AAA", WEEKDAYS[9:N]),
        symbols=("AAA", "BBB"),
    )
    assert found(report)["symbol_order", "error"] == 1
    assert report.rows == 2 * N


def test_an_unknown_symbol_is_refused_and_a_missing_one_too():
    report = check(batch("ZZZ"))
    assert found(report)["known_symbols", "error"] == 1
    assert found(report)["symbol_coverage", "error"] == 1
    assert report.coverage[0].rows == 0


def test_no_bars_at_all_are_refused():
    report = check()
    assert found(report) == {("not_empty", "error"): 1}
    assert report.first_session is None
    assert found(check(batch().slice(0, 0))) == {("not_empty", "error"): 1}


def test_a_single_bar_is_too_little():
    report = check(batch(times=WEEKDAYS[N - 1 : N]))
    assert found(report) == {("enough_rows", "error"): 1}


def test_a_constant_price_is_an_error():
    flat = {name: (slice(None), 7.0) for name in ("open", "high", "low", "close")}
    report = check(batch(**flat))
    assert found(report) == {("constant_prices", "error"): 1}


@pytest.mark.parametrize("cut", [1, 12, 15, 39])
def test_a_price_that_stands_still_is_a_warning_wherever_batches_are_cut(cut):
    whole = batch(close=(slice(10, 20), 50.0), low=(slice(None), 40.0), high=(slice(None), 60.0))
    report = check(whole.slice(0, cut), whole.slice(cut))
    assert found(report) == {("stale_prices", "warning"): 1}
    assert report.findings[0].example == "AAA stands still for 10 bars"
    assert report.usable


def test_nine_equal_closes_are_not_yet_stale():
    report = check(
        batch(close=(slice(10, 19), 50.0), low=(slice(None), 40.0), high=(slice(None), 60.0))
    )
    assert report.findings == ()


def scaled(factor, *, close, adjusted):
    numbers = bars()
    for name in ("open", "high", "low", "close"):
        numbers[name][20:] *= factor if close else 1.0
    numbers["adjusted_close"][20:] *= factor if adjusted else 1.0
    return bar_batch("AAA", WEEKDAYS[:N].astype("datetime64[us]"), numbers)


@pytest.mark.parametrize("factor", [0.6, 1.4])
def test_a_jump_that_adjustment_does_not_explain_is_a_warning(factor):
    report = check(scaled(factor, close=True, adjusted=True))
    assert found(report) == {("price_jumps", "warning"): 1}
    assert report.findings[0].example.startswith("AAA 2021-02-01 moves")
    assert found(check(scaled(factor, close=False, adjusted=True))) == found(report)


def test_a_corporate_action_is_no_jump():
    assert check(scaled(0.25, close=True, adjusted=False)).findings == ()


@pytest.mark.parametrize("cut", [None, 20, 21, 22])
def test_a_close_that_is_off_for_one_bar_is_no_corporate_action(cut):
    numbers = bars()
    for name in ("open", "high", "low", "close"):
        numbers[name][20:21] *= 30.0
    whole = bar_batch("AAA", WEEKDAYS[:N].astype("datetime64[us]"), numbers)
    pieces = (whole,) if cut is None else (whole.slice(0, cut), whole.slice(cut))
    report = check(*pieces)
    assert found(report) == {("price_jumps", "warning"): 1}
    assert "spike of one close" in report.findings[0].example


def test_a_jump_between_batches_is_seen():
    whole = scaled(2.0, close=True, adjusted=True)
    assert found(check(whole.slice(0, 20), whole.slice(20))) == {("price_jumps", "warning"): 1}


def test_zero_volume_is_a_warning():
    assert found(check(batch(volume=(slice(0, 4), 0.0)))) == {("zero_volume", "warning"): 4}


def test_one_missing_session_is_a_warning_and_many_are_an_error():
    one = np.delete(WEEKDAYS[:N], 7)
    report = check(batch(times=one))
    assert found(report) == {("calendar_gaps", "warning"): 1}
    assert report.findings[0].example == "AAA lacks 2021-01-13 (1 of 40 sessions missing)"
    assert report.coverage[0].missing_sessions == 1
    three = np.delete(WEEKDAYS[:N], [7, 8, 20])
    assert found(check(batch(times=three))) == {("calendar_gaps", "error"): 3}
    cut = check(batch(times=three[:7]), batch(times=three[7:]))
    assert found(cut)["calendar_gaps", "error"] == 3


def test_a_bar_on_a_closed_day_is_an_error():
    saturday = np.array(["2021-01-09"], dtype="datetime64[D]")
    times = np.sort(np.concatenate((WEEKDAYS[:N], saturday)))
    report = check(batch(times=times))
    assert found(report) == {("sessions_only", "error"): 1}
    assert report.findings[0].example == "AAA 2021-01-09"
    alone = check(batch(times=saturday), as_of=WEEKDAYS[5])
    assert ("sessions_only", "error") in found(alone)
    assert alone.coverage[0].first_session is None


def test_a_daily_label_off_midnight_is_an_error():
    times = WEEKDAYS[:N].astype("datetime64[us]") + np.timedelta64(5, "h")
    report = check(bar_batch("AAA", times, bars()))
    assert found(report)["label_alignment", "error"] == N


def test_a_bar_after_the_as_of_date_is_an_error():
    report = check(batch(), as_of=WEEKDAYS[N - 3])
    assert found(report)["inside_window", "error"] == 2


def test_old_data_is_stale_beyond_the_limit():
    assert check(batch(), as_of=WEEKDAYS[N + 4]).usable
    report = check(batch(), as_of=WEEKDAYS[N + 5])
    assert found(report) == {("staleness", "error"): 1}
    assert "6 sessions before the as-of date" in report.findings[0].example


def test_symbols_that_start_late_or_end_early_are_named():
    report = check(
        batch("AAA"),
        batch("BBB", WEEKDAYS[10:N]),
        batch("CCC", WEEKDAYS[: N - 10]),
        symbols=("AAA", "BBB", "CCC"),
    )
    assert found(report) == {("ends_early", "warning"): 1, ("starts_late", "warning"): 1}
    assert [c.missing_sessions for c in report.coverage] == [0, 10, 10]


def test_another_schema_is_refused_whole():
    clean = batch()
    wrong = clean.drop_columns(["close"])
    report = check(wrong)
    assert found(report)["schema", "error"] == 1
    assert report.findings[0].example == "no column close"


def minutes(sessions_, per_session, start=0):
    opens = sessions().opens[:sessions_]
    return np.concatenate([o + (start + np.arange(per_session)) * MINUTE for o in opens])


def test_full_minute_sessions_pass():
    report = check(batch(times=minutes(3, 10)), frequency="1m", as_of=WEEKDAYS[2])
    assert report.findings == ()
    assert report.last_session == WEEKDAYS[2].item()


def test_minutes_outside_regular_hours_and_missing_ones_are_warnings():
    report = check(batch(times=minutes(3, 12)), frequency="1m", as_of=WEEKDAYS[2])
    assert found(report) == {("regular_hours", "warning"): 6}
    report = check(batch(times=minutes(3, 8)), frequency="1m", as_of=WEEKDAYS[2])
    assert found(report) == {("missing_minutes", "warning"): 6}
    assert report.findings[0].example == "AAA: 6 of 30 minutes"


@settings(max_examples=40)
@given(cuts=st.sets(st.integers(1, 79), max_size=6), frequency=st.sampled_from(["1d", "1m"]))
def test_the_report_does_not_depend_on_how_rows_are_cut(cuts, frequency):
    times = WEEKDAYS[:N] if frequency == "1d" else minutes(4, 10)
    pieces = [batch(name, times, close=(5, 999.0), volume=(9, 0.0)) for name in ("AAA", "BBB")]
    table = pa.Table.from_batches(pieces).unify_dictionaries().combine_chunks()
    as_of = WEEKDAYS[N - 1] if frequency == "1d" else WEEKDAYS[3]
    options = {"symbols": ("AAA", "BBB"), "frequency": frequency, "as_of": as_of}
    edges = [0, *sorted(cuts), 80]
    cut = [table.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    assert check(*cut, **options) == check(table, **options)


def test_plain_string_symbols_are_accepted():
    plain = batch().cast(BAR_SCHEMA)
    assert check(plain).findings == ()


def test_findings_come_in_the_order_of_the_checks_and_unknown_checks_are_refused():
    log = FindingLog()
    assert not log.has_errors
    log.note("staleness", 1, "b")
    log.refuse("schema", 0, "nothing")
    log.refuse("no_nulls", 2, "a")
    log.refuse("no_nulls", 3, "later")
    assert [(f.check, f.count, f.example) for f in log.findings()] == [
        ("no_nulls", 5, "a"),
        ("staleness", 1, "b"),
    ]
    assert log.has_errors
    with pytest.raises(KeyError):
        log.note("no such check", 1, "")
    assert len(CHECKS) == 26


ODD = st.sampled_from([0.0, -1.0, np.nan, np.inf, 1e-300, 1e300, 60.0, 68.0, 75.0, 110.0, 45.0])
EDITS = st.lists(
    st.tuples(
        st.sampled_from(["open", "high", "low", "close", "volume", "adjusted_close"]),
        st.integers(0, N - 1),
        st.integers(1, 3),
        ODD,
    ),
    max_size=4,
)


@given(edits=EDITS, cuts=st.sets(st.integers(1, N - 1), max_size=4), order=st.booleans())
@settings(max_examples=150, deadline=None)
def test_quick_acceptance_never_hides_a_finding(edits, cuts, order):
    """Against the same checks with every shortcut closed, cut anywhere."""
    numbers = bars()
    for name, row, length, value in edits:
        numbers[name][row : row + length] = value
    days = WEEKDAYS[:N].copy()
    if order:
        days[[7, 8]] = days[[8, 7]]
    whole = bar_batch("AAA", days.astype("datetime64[us]"), numbers)
    edges = [0, *sorted(cuts), N]
    pieces = [whole.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    quick = check(*pieces)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bar_rows, "_all_sane", lambda rows: False)
        patch.setattr(symbol_series, "_within_a_jump", lambda values, *before: False)
        slow = check(*pieces)
    assert quick == slow


@pytest.mark.parametrize("step", [1.3499, 1.3501, 1 / 1.3499, 0.6499, 0.6501])
@pytest.mark.parametrize("at", [1, 19, 20, 21])
def test_a_move_is_judged_alike_inside_and_across_pieces(step, at):
    numbers = bars()
    numbers["adjusted_close"] = np.where(np.arange(N) < at, 50.0, 50.0 * step)
    whole = bar_batch("AAA", WEEKDAYS[:N].astype("datetime64[us]"), numbers)
    report = check(whole.slice(0, 20), whole.slice(20))
    assert ("price_jumps" in {f.check for f in report.findings}) == (abs(step - 1.0) > 0.35)


def test_memory_does_not_grow_with_the_bars():
    """Nothing that is kept of a symbol holds on to the arrays of its pieces."""
    symbols = tuple(f"S{i:02d}" for i in range(40))
    checker = BarChecker(window(symbols=symbols, frequency="1m"), sessions())
    times = (WEEKDAYS[:N].astype("datetime64[m]")[:, None] + np.arange(840, 940)).ravel()
    tracemalloc.start()
    try:
        for symbol in symbols:
            checker.feed(batch(symbol, times, adjusted_close=(slice(N, None), 70.0)))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(times) * 8 * len(symbols) > 1_000_000
    assert kept < 200_000
