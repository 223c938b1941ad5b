"""The records of a session: what makes them pass, what makes them fail."""

import pytest
import session_examples as example
from pydantic import ValidationError

from torghut_assets.domain.orders.records import Difference, PaperFills
from torghut_assets.domain.verdicts import Verdict


def test_the_examples_are_whole_and_name_each_other():
    fills, intents, orders = example.fills(), example.intents(), example.orders()
    assert fills.verdict is Verdict.PASS
    assert intents.parity_verdict is Verdict.PASS
    assert intents.blocked_by == ()
    assert fills.intents_digest == intents.digest == orders.intents_digest
    assert fills.orders_digest == orders.digest
    assert fills.subject == orders.subject == intents.subject == "tsmom-megacaps-v1|2022-01-03"
    held = sum(p.quantity * p.price_usd for p in fills.positions)
    assert fills.cash_usd + held == pytest.approx(fills.equity_after_usd)


def test_a_record_comes_back_from_its_bytes():
    fills = example.fills()
    again = PaperFills.from_canonical_bytes(fills.canonical_bytes(), location="here")
    assert again == fills


def test_parity_that_was_not_compared_is_not_a_pass():
    assert example.intents(parity_sessions=0).parity_verdict is Verdict.INCONCLUSIVE
    unknown = example.intents(parity_max_difference_fraction=None)
    assert unknown.parity_verdict is Verdict.INCONCLUSIVE
    off = example.intents(parity_max_difference_fraction=1e-6)
    assert off.parity_verdict is Verdict.FAIL


def test_what_is_not_a_pass_blocks():
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        bad = example.finding("gross", verdict=verdict)
        assert example.intents(guardrails=(example.finding(), bad)).blocked_by == (bad,)


@pytest.mark.parametrize("status", ["claimed", "submitted", "partially_filled", "unknown"])
def test_an_order_without_an_end_fails_the_session(status):
    assert example.fills(orders=(example.order(status=status),)).verdict is Verdict.FAIL


def test_an_unexplained_difference_fails_the_session():
    off = Difference(what="cash", name="cash_usd", ours="1", brokers="2")
    assert example.fills(differences=(off,)).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("build", "changes"),
    [
        (example.fill, {"quantity": -1}),
        (example.fill, {"quantity": 0}),
        (example.fill, {"price_usd": float("nan")}),
        (example.fill, {"price_usd": 0.0}),
        (example.fill, {"fee_usd": float("inf")}),
        (example.fill, {"filled_at": "2022-01-03 14:30"}),
        (example.order, {"quantity": -5}),
        (example.order, {"status": "sent"}),
        (example.intent, {"decision_price_usd": float("nan")}),
        (example.deployment, {"budget_usd": 0.0}),
        (example.deployment, {"symbols": ()}),
        (example.intents, {"guardrails": ()}),
    ],
)
def test_impossible_values_are_refused(build, changes):
    with pytest.raises(ValidationError):
        build(**changes)
