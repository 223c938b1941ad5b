"""Sessions as facts: what is taken from the records, and records that contradict each other."""

import math

import pytest
from drift_evidence import evidence
from monitored_examples import SYMBOLS, sessions_of_2022, traded
from session_examples import bar, deployment, digest_of

from torghut_assets.domain.drift.history import session_facts
from torghut_assets.domain.errors import EvidenceContradictionError, EvidenceError

DEPLOYMENT = deployment(symbols=SYMBOLS)
FIRST = traded(DEPLOYMENT, sessions_of_2022(1)[0])[0]


def test_facts_are_those_of_the_records():
    facts = session_facts(FIRST.intents, FIRST.fills, FIRST.tca, DEPLOYMENT)
    assert facts.session == FIRST.session
    assert facts.decided_on == "2021-12-31"
    assert facts.target_gross_fraction == pytest.approx(0.6)
    equity = FIRST.fills.equity_after_usd
    held = [p.quantity * p.price_usd / equity for p in FIRST.fills.positions]
    assert facts.gross_fraction == pytest.approx(sum(held))
    assert facts.largest_fraction == pytest.approx(max(held))
    assert facts.bars[:, 0].tolist() == [b.open_usd for b in FIRST.fills.bars]
    assert len(facts.costs) == len(FIRST.fills.fills)
    assert facts.refs.tca_digest == FIRST.tca.digest


@pytest.mark.parametrize(
    ("record", "changes"),
    [
        ("fills", {"session": "2022-01-04"}),
        ("fills", {"intents_digest": digest_of("other")}),
        ("fills", {"deployment_digest": digest_of("other")}),
        ("tca", {"session": "2022-01-04"}),
        ("tca", {"fills_digest": digest_of("other")}),
        ("intents", {"deployment_digest": digest_of("other")}),
    ],
)
def test_records_that_contradict_each_other_are_refused(record, changes):
    records = {"intents": FIRST.intents, "fills": FIRST.fills, "tca": FIRST.tca}
    records[record] = records[record].model_copy(update=changes)
    with pytest.raises(EvidenceContradictionError):
        session_facts(records["intents"], records["fills"], records["tca"], DEPLOYMENT)


def test_what_is_missing_is_not_a_number_and_what_is_foreign_is_counted():
    other = FIRST.fills.model_copy(
        update={"bars": (*FIRST.fills.bars[1:], bar("TSLA")), "equity_after_usd": 0.0}
    )
    tca = FIRST.tca.model_copy(update={"fills_digest": other.digest})
    facts = session_facts(FIRST.intents, other, tca, DEPLOYMENT)
    assert math.isnan(facts.bars[0, 0])
    assert facts.foreign_bars == 1
    assert facts.gross_fraction == math.inf
    assert facts.largest_fraction == math.inf


def test_a_session_without_records_cannot_be_asked_about():
    base = evidence(3)
    with pytest.raises(EvidenceError, match="no usable records"):
        type(base)(**{**vars(base), "facts": {}}).now()
    with pytest.raises(EvidenceError, match="no session was traded"):
        type(base)(**{**vars(base), "expected": ()}).since_deployment()
