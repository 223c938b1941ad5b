"""The analysis of one session: figures by hand, the identity, and what is refused."""

import dataclasses

import numpy as np
import pytest
import session_examples as paper
import tca_examples as examples
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.backtest.costs import CostRates
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.orders.records import Difference
from torghut_assets.domain.tca.errors import OverfilledOrderError
from torghut_assets.domain.tca.minute_bars import MinuteBars
from torghut_assets.domain.tca.order_costs import WorkedOrder, order_costs
from torghut_assets.domain.tca.records import PaperTca, SymbolConditions
from torghut_assets.domain.tca.session import SessionEvidence, paper_tca
from torghut_assets.domain.tca.session_market import QuoteSeries, SymbolMarket
from torghut_assets.domain.verdicts import Verdict

SYMBOL = SymbolConditions(
    symbol="AAPL", volatility_fraction=0.01, price_factor=1.0, close_usd=183.0
)
RATES = CostRates.of(examples.cost_model())


def evidence(**changes) -> SessionEvidence:
    fields = {
        "deployment": paper.deployment(),
        "intents": paper.intents(),
        "orders": paper.orders(),
        "fills": paper.fills(),
        "cost_model": examples.cost_model(),
        "conditions": examples.conditions(),
    }
    return SessionEvidence(**(fields | changes))


def worked(order=None, fills=(), decision=180.0) -> WorkedOrder:
    return WorkedOrder(order or paper.order(), decision, tuple(fills))


def measured(order=None, fills=(), decision=180.0, market=None, conditions=SYMBOL):
    bar = paper.bar()
    return order_costs(
        worked(order, fills, decision), market or SymbolMarket(bar), conditions, RATES
    )


def test_a_bought_order_has_the_costs_that_pencil_and_paper_give():
    """Decided 180, open 181, half at 181 and half at 182, bar 181 184 180 183, no fees."""
    record = paper_tca(evidence())
    (row,) = record.orders
    assert row.latency_seconds == 2 * 86_400 + 17 * 3_600 + 25 * 60
    assert row.shortfall.delay_usd == pytest.approx(100.0)
    assert row.shortfall.trading_usd == pytest.approx(50.0)
    assert row.shortfall.opportunity_usd == 0.0
    assert row.shortfall.paper_profit_usd == pytest.approx(300.0)
    assert row.shortfall.actual_profit_usd == pytest.approx(150.0)
    assert row.shortfall_bps == pytest.approx(150.0 / 18_000 * 1e4)
    assert row.arrival_slippage_bps == pytest.approx(0.5 / 181 * 1e4)
    assert row.vwap_slippage_bps == pytest.approx((181.5 / 182.0 - 1) * 1e4)
    assert row.twap_slippage_bps == pytest.approx((181.5 / 182.0 - 1) * 1e4)
    assert row.effective_spread_bps == pytest.approx(2 * (181.5 - 182.0) / 182.0 * 1e4)
    assert row.realized_spread_bps == pytest.approx(2 * (181.5 - 183.0) / 182.0 * 1e4)
    assert row.spread_capture_fraction is None
    assert row.participation_fraction == pytest.approx(1e-6)
    assert row.hour_utc == 14
    share = 18_150 / (183.0 * 1e8)
    expected = 1.0 + 0.3 + 1e4 * 0.01 * (0.02 + 0.8 * share**0.5)
    assert row.expected_cost_bps == pytest.approx(expected)
    by_horizon = {m.horizon: m.move_bps for m in row.markouts}
    halves = ((183 / 181 - 1) + (183 / 182 - 1)) / 2
    assert by_horizon["close"] == pytest.approx(halves * 1e4)
    assert by_horizon["1_session"] is None
    assert by_horizon["5_sessions"] is None
    assert record.verdict is Verdict.PASS


def test_the_policies_in_force_include_the_cost_model():
    record = paper_tca(evidence())
    assert record.policies["cost_model"] == examples.cost_model().digest
    assert record.policies.keys() > paper.deployment().policies.keys()


def test_the_record_survives_its_own_canonical_form():
    record = paper_tca(evidence())
    again = PaperTca.from_canonical_bytes(record.canonical_bytes(), location="test")
    assert again == record
    assert again.subject == "tsmom-megacaps-v1|2022-01-03"


SIDES = st.sampled_from(["buy", "sell"])
PRICES = st.floats(1.0, 5_000.0)
FILLS = st.lists(st.tuples(st.integers(1, 500), PRICES, st.floats(-5.0, 50.0)), max_size=6)


@settings(max_examples=300)
@given(
    side=SIDES,
    extra=st.integers(0, 3_000),
    fills=FILLS,
    decision=PRICES,
    prices=st.tuples(PRICES, PRICES),
)
def test_the_parts_tie_to_paper_less_actual_profit(side, extra, fills, decision, prices):
    ordered = max(sum(quantity for quantity, _, _ in fills) + extra, 1)
    order = paper.order(side=side, quantity=ordered)
    executions = [
        paper.fill(f"f{i}", side=side, quantity=q, price_usd=p, fee_usd=fee)
        for i, (q, p, fee) in enumerate(fills)
    ]
    opened, close = prices
    bar = paper.bar(open_usd=opened, close_usd=close, high_usd=max(prices), low_usd=min(prices))
    row = measured(order, executions, decision, SymbolMarket(bar))
    parts = row.shortfall
    sign = 1 if side == "buy" else -1
    paper_profit = sign * ordered * (close - decision)
    actual = sum(sign * f.quantity * (close - f.price_usd) - f.fee_usd for f in executions)
    assert row.ties
    largest = max(decision, *prices, *(f.price_usd for f in executions)) * ordered
    within = 1e-9 * max(largest, abs(actual))  # parts may cancel; each keeps 12 digits
    assert parts.total_usd == pytest.approx(paper_profit - actual, abs=within)
    assert parts.paper_profit_usd == pytest.approx(paper_profit, abs=within)


@given(decision=PRICES, price=PRICES, opened=PRICES)
def test_both_sides_pay_when_the_price_moves_against_them(decision, price, opened):
    """A sell in the mirrored market has the opposite sign of the same trade as a buy."""
    bar = paper.bar(open_usd=opened, close_usd=price, high_usd=5_000.0, low_usd=1.0)
    both = {}
    for side in ("buy", "sell"):
        fills = [paper.fill("f", side=side, quantity=100, price_usd=price)]
        order = paper.order(side=side)
        both[side] = measured(order, fills, decision, SymbolMarket(bar))
    assert both["buy"].shortfall_bps == pytest.approx(-both["sell"].shortfall_bps, abs=1e-6)
    assert both["buy"].arrival_slippage_bps * (price - opened) >= 0


def test_an_order_without_a_fill_costs_delay_and_opportunity_only():
    row = measured(paper.order(status="expired"))
    assert row.shortfall.trading_usd == 0.0
    assert row.shortfall.delay_usd == pytest.approx(100.0)
    assert row.shortfall.opportunity_usd == pytest.approx(200.0)
    for name in ("arrival_slippage_bps", "realised_cost_bps", "expected_cost_bps", "hour_utc"):
        assert getattr(row, name) is None
    assert row.markouts == ()
    assert row.fill_rate_fraction == 0.0


def test_a_halted_symbol_leaves_what_it_cannot_know_undefined():
    bar = paper.bar(open_usd=None, high_usd=None, low_usd=None, close_usd=None, volume_shares=None)
    row = measured(paper.order(status="rejected"), market=SymbolMarket(bar))
    assert row.shortfall is None
    assert row.shortfall_bps is None
    assert not row.ties
    assert row.participation_fraction is None


def test_a_bar_without_volume_has_no_vwap_and_no_expectation():
    row = measured(
        fills=[paper.fill(quantity=100)], market=SymbolMarket(paper.bar(volume_shares=0.0))
    )
    assert row.prices.vwap_usd is None
    assert row.vwap_slippage_bps is None
    assert row.expected_cost_bps is None
    assert row.effective_spread_bps is None
    assert row.ties


def test_more_filled_than_the_feed_traded_is_no_participation():
    row = measured(
        fills=[paper.fill(quantity=100)], market=SymbolMarket(paper.bar(volume_shares=60.0))
    )
    assert row.participation_fraction is None


def test_an_unknown_volatility_leaves_the_expectation_unknown_if_the_model_needs_it():
    unknown = SYMBOL.model_copy(update={"volatility_fraction": None})
    fills = [paper.fill(quantity=100)]
    assert measured(fills=fills, conditions=unknown).expected_cost_bps is None
    flat = CostRates.of(
        examples.cost_model(slippage_volatility_fraction=0.0, impact_coefficient=0.0)
    )
    row = order_costs(worked(fills=fills), SymbolMarket(paper.bar()), unknown, flat)
    assert row.expected_cost_bps == pytest.approx(1.3)


def test_a_split_between_decision_and_session_is_no_cost():
    split = SYMBOL.model_copy(update={"price_factor": 2.0})
    row = measured(fills=[paper.fill(quantity=100)], decision=362.0, conditions=split)
    assert row.prices.decision_usd == pytest.approx(181.0)
    assert row.shortfall.delay_usd == pytest.approx(0.0)


def test_an_order_submitted_before_it_was_decided_is_refused():
    order = paper.order(submitted_at="2021-12-31T20:00:00Z")
    with pytest.raises(EvidenceContradictionError, match="decision before"):
        measured(order)


def test_an_order_that_was_never_submitted_has_no_latency():
    assert measured(paper.order(status="claimed", submitted_at=None)).latency_seconds is None


MINUTES = MinuteBars(
    time=["2022-01-03T14:30:00", "2022-01-03T14:31:00", "2022-01-03T14:32:00"],
    open=[181.0, 181.5, 182.0],
    high=[181.6, 182.2, 182.6],
    low=[180.8, 181.4, 181.8],
    close=[181.5, 182.0, 182.5],
    volume=[100.0, 300.0, 600.0],
)


def test_minute_bars_replace_the_daily_proxies():
    market = SymbolMarket(paper.bar(), minutes=MINUTES)
    prices = measured(fills=[paper.fill(quantity=100)], market=market).prices
    typical = [(181.6 + 180.8 + 181.5) / 3, (182.2 + 181.4 + 182) / 3, (182.6 + 181.8 + 182.5) / 3]
    assert prices.basis == "minute_bars"
    assert prices.arrival_usd == 181.0
    assert prices.vwap_usd == pytest.approx(np.dot(typical, [0.1, 0.3, 0.6]))
    assert prices.twap_usd == pytest.approx(182.0)
    assert prices.end_usd == 182.5


def test_an_order_after_the_last_minute_keeps_the_daily_bar():
    market = SymbolMarket(paper.bar(), minutes=MINUTES)
    order = paper.order(submitted_at="2022-01-03T20:00:00Z")
    assert measured(order, market=market).prices.vwap_usd == 182.0


QUOTES = QuoteSeries(
    times=np.array(
        ["2022-01-03T14:30:00", "2022-01-03T14:30:30", "2022-01-03T14:32:00"], "datetime64[us]"
    ),
    bid=np.array([180.9, 181.0, 181.4]),
    ask=np.array([181.1, 181.2, 181.6]),
)


def test_quotes_give_midpoints_spreads_and_only_the_markouts_that_are_known():
    market = SymbolMarket(paper.bar(), quotes=QUOTES)
    fill = paper.fill(quantity=100, price_usd=181.15, filled_at="2022-01-03T14:30:40Z")
    row = measured(fills=[fill], market=market)
    assert row.prices.basis == "quotes"
    assert row.prices.arrival_usd == pytest.approx(181.0)
    assert row.effective_spread_bps == pytest.approx(2 * 0.05 / 181.1 * 1e4)
    assert row.spread_capture_fraction == pytest.approx(1 - 0.1 / 0.2)
    moves = {m.horizon: m.move_bps for m in row.markouts}
    assert moves["1_minute"] == pytest.approx((181.1 - 181.15) / 181.15 * 1e4)
    assert moves["5_minutes"] is None
    assert row.realized_spread_bps is None
    assert moves["close"] == pytest.approx((183 / 181.15 - 1) * 1e4)


def test_an_order_during_the_session_arrives_at_the_quote_in_force():
    market = SymbolMarket(paper.bar(), quotes=QUOTES)
    order = paper.order(submitted_at="2022-01-03T14:31:00Z")
    assert measured(order, market=market).prices.arrival_usd == pytest.approx(181.1)


def test_quotes_that_go_back_in_time_are_refused():
    with pytest.raises(ValueError, match="goes back"):
        dataclasses.replace(QUOTES, times=QUOTES.times[::-1])


def test_an_intent_that_was_never_routed_is_counted_with_what_it_missed():
    other = paper.intent(key=paper.digest_of("b"), symbol="AMZN", side="sell", quantity=10)
    intents = paper.intents(intents=(paper.intent(), other))
    orders = paper.orders(intents_digest=intents.digest)
    fills = paper.fills(intents_digest=intents.digest, orders_digest=orders.digest)
    record = paper_tca(evidence(intents=intents, orders=orders, fills=fills))
    assert (record.intents, record.unrouted_intents) == (2, 1)
    assert record.unrouted_opportunity_usd == pytest.approx(-10 * (183.0 - 180.0))
    without = dataclasses.replace(
        evidence(intents=intents, orders=orders, fills=fills),
        conditions=examples.conditions(symbols=examples.conditions().symbols[:1]),
    )
    assert paper_tca(without).unrouted_opportunity_usd is None


def refit(**changes) -> SessionEvidence:
    return evidence(fills=paper.fills(**changes))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (refit(deployment_digest=paper.digest_of("x")), "fills cite deployment"),
        (refit(orders_digest=paper.digest_of("x")), "fills cite orders"),
        (refit(intents_digest=paper.digest_of("x")), "fills cite intents"),
        (refit(session="2022-01-04"), "fills are about"),
        (evidence(orders=paper.orders(intents_digest=paper.digest_of("x"))), "orders cite"),
        (evidence(deployment=paper.deployment(budget_usd=5.0)), "intents cite deployment"),
        (refit(fills=(paper.fill(), paper.fill())), "twice"),
        (refit(fills=(paper.fill(key=paper.digest_of("z")),)), "of no order"),
        (refit(fills=(paper.fill(side="sell"),)), "sell AAPL"),
        (refit(orders=(paper.order(key=paper.digest_of("z")),), fills=()), "an intent"),
        (refit(orders=(paper.order(quantity=101),), fills=()), "its intent"),
        (refit(bars=(paper.bar("AMZN"),)), "no bar of AAPL"),
    ],
)
def test_records_that_do_not_belong_together_are_refused(bad, message):
    with pytest.raises(EvidenceContradictionError, match=message):
        paper_tca(bad)


def test_more_fills_than_ordered_are_refused():
    with pytest.raises(OverfilledOrderError):
        paper_tca(refit(fills=(paper.fill(quantity=101),)))


def test_differences_and_open_orders_are_carried_into_the_record():
    difference = Difference(what="cash", name="cash", ours="1", brokers="2")
    record = paper_tca(refit(differences=(difference,), orders=(paper.order(status="unknown"),)))
    assert (record.differences, record.open_orders) == (1, 1)


def test_a_shortfall_that_does_not_tie_fails_and_one_that_is_unknown_is_inconclusive():
    good = examples.row()
    bad = good.model_copy(
        update={"shortfall": good.shortfall.model_copy(update={"delay_usd": 100.1})}
    )
    assert examples.tca(orders=(good, bad)).verdict is Verdict.FAIL
    unknown = good.model_copy(update={"shortfall": None})
    assert examples.tca(orders=(good, unknown)).verdict is Verdict.INCONCLUSIVE
    assert examples.tca(orders=()).verdict is Verdict.PASS
