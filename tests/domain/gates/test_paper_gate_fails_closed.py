"""The law of gate 3: worse or less evidence never gives a better decision.

5,000 cases. Each starts from a window whose values were moved across their range, so that
limits pass, fail and are ambiguous in many combinations, spoils it in one to three ways and
compares every limit before and after.
"""

import math
from dataclasses import replace

import paper_gate_examples as gate
import pytest
import session_examples as paper
from hypothesis import given
from hypothesis import strategies as st
from laws import law

from torghut_assets.domain.gates.paper_policy import PaperGatePolicy
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.records import Record
from torghut_assets.domain.verdicts import Verdict

SESSIONS = 8
POLICY = gate.quick()
DIGESTS = {
    f"{name}|{day}": paper.digest_of(name + day)
    for name in (paper.CANDIDATE, gate.CHAMPION)
    for day in paper.sessions(SESSIONS)
}
"""What a verified reader would know; computing them anew would take most of the time."""

RANK = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}
HOSTILE = (None, math.nan, math.inf, -math.inf, "1.0", True, [], {}, 10**400)

RAISED_IN_ROW = {"interval_cost_bps": 40.0, "realised_cost_bps": 60.0}
LOWERED_IN_ROW = {"expected_cost_bps": 30.0, "fill_rate_fraction": 0.3}
RAISED = {"cancels": 2, "replaces": 2, "differences": 1, "open_orders": 1}
LOWERED = {"net_return_fraction": 0.02}
ROW_NUMBERS = (
    "interval_cost_bps",
    "realised_cost_bps",
    "expected_cost_bps",
    "filled_notional_usd",
    "notional_usd",
    "fill_rate_fraction",
    "filled_shares",
    "shortfall",
)
NUMBERS = ("cancels", "replaces", "differences", "open_orders", "net_return_fraction")


@pytest.fixture(autouse=True, scope="module")
def digests_are_remembered():
    """Policy and deployment are frozen, so their digests need not be computed 5,000 times."""
    known: dict[int, tuple[Record, str]] = {}
    compute = Record.digest.fget

    def remembered(record: Record) -> str:
        if id(record) not in known:
            known[id(record)] = (record, compute(record))
        return known[id(record)][1]

    with pytest.MonkeyPatch.context() as patch:
        for model in (PaperGatePolicy, PaperDeployment):
            patch.setattr(model, "digest", property(remembered))
        yield


PLACES = st.integers(0, SESSIONS - 1)
SHARES = st.floats(0.0, 1.0)
START = st.lists(
    st.tuples(
        st.sampled_from([*RAISED_IN_ROW, *LOWERED_IN_ROW, *LOWERED, *RAISED]), PLACES, SHARES
    ),
    max_size=6,
)
SPOIL = st.sampled_from(
    ["worse", "worse", "worse", "hostile", "lost", "orders", "champion", "status"]
)


def moved(record, name, share):
    """The record with one value worse by a share of its range."""
    held = getattr(record, name, 0.0)
    if isinstance(held, int) and abs(held) > 1e300:  # hostile already, and no float
        return record
    if name in RAISED:
        return gate.spoiled(
            record, **{name: getattr(record, name) + math.ceil(share * RAISED[name])}
        )
    if name in LOWERED:
        return gate.spoiled(record, **{name: getattr(record, name) - share * LOWERED[name]})
    rows = []
    for row in record.orders:
        value = getattr(row, name)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number and not (isinstance(value, int) and abs(value) > 1e300):
            step = RAISED_IN_ROW.get(name, 0.0) - LOWERED_IN_ROW.get(name, 0.0)
            value = value + share * step
        rows.append(gate.spoiled(row, **{name: value}))
    return gate.spoiled(record, orders=tuple(rows))


def spoil(evidence, how, data):
    day = evidence.expected_sessions[data.draw(PLACES)]
    record = evidence.records.get(day)
    if how == "champion":
        theirs = dict(evidence.champion_records)
        theirs.pop(day, None)
        return replace(evidence, champion_records=theirs)
    if record is None or not isinstance(record.orders, tuple):
        return evidence
    if how == "lost":
        kept = dict(evidence.records)
        del kept[day]
        return replace(evidence, records=kept)
    if how == "orders":
        return gate.with_record(evidence, day, gate.spoiled(record, orders=record.orders[1:]))
    if how == "status":
        rows = tuple(gate.spoiled(row, status="rejected") for row in record.orders)
        return gate.with_record(evidence, day, gate.spoiled(record, orders=rows))
    if how == "hostile":
        value = data.draw(st.sampled_from(HOSTILE))
        name = data.draw(st.sampled_from([*ROW_NUMBERS, *NUMBERS]))
        if name in NUMBERS:
            # a bool or a text is no number; more of a count can only be worse
            return gate.with_record(evidence, day, gate.spoiled(record, **{name: value}))
        rows = tuple(gate.spoiled(row, **{name: value}) for row in record.orders)
        return gate.with_record(evidence, day, gate.spoiled(record, orders=rows))
    name = data.draw(st.sampled_from([*RAISED_IN_ROW, *LOWERED_IN_ROW, *LOWERED, *RAISED]))
    try:
        worse = moved(record, name, data.draw(SHARES))
    except TypeError:  # already spoilt by a value that cannot be added to
        return evidence
    return gate.with_record(evidence, day, worse)


def assert_not_better(after, before):
    for new, old in zip(after.limits, before.limits, strict=True):
        assert RANK[new.verdict] <= RANK[old.verdict], (new.measurement, old, new)
    assert RANK[after.verdict] <= RANK[before.verdict]


@law(2_500)
@given(start=START, how=st.lists(SPOIL, min_size=1, max_size=3), data=st.data())
def test_worse_or_missing_never_turns_a_refusal_into_a_pass(start, how, data):
    evidence = replace(gate.passing(SESSIONS), digests=DIGESTS)
    for name, place, share in start:
        day = evidence.expected_sessions[place]
        evidence = gate.with_record(evidence, day, moved(evidence.records[day], name, share))
    before = gate.decide(evidence, POLICY)
    for one in how:
        evidence = spoil(evidence, one, data)
    assert_not_better(gate.decide(evidence, POLICY), before)


@law(2_500)
@given(start=START, how=st.lists(SPOIL, min_size=1, max_size=3), data=st.data())
def test_the_law_holds_against_a_champion(start, how, data):
    evidence = replace(gate.challenging(SESSIONS), digests=DIGESTS)
    for name, place, share in start:
        day = evidence.expected_sessions[place]
        evidence = gate.with_record(evidence, day, moved(evidence.records[day], name, share))
    before = gate.decide(evidence, POLICY)
    for one in how:
        evidence = spoil(evidence, one, data)
    assert_not_better(gate.decide(evidence, POLICY), before)


def test_the_starting_points_pass_fail_and_are_ambiguous():
    """A law about refusals would say nothing of evidence that is always refused."""
    assert gate.decide(gate.passing(SESSIONS), POLICY).verdict is Verdict.PASS
    assert gate.decide(gate.challenging(SESSIONS), POLICY).verdict is Verdict.PASS
    evidence = gate.passing(SESSIONS)
    seen = set()
    for place, day in enumerate(evidence.expected_sessions):
        worse = moved(evidence.records[day], "interval_cost_bps", 1.0)
        evidence = gate.with_record(evidence, day, worse)
        if place < SESSIONS:
            seen.add(gate.decide(evidence, POLICY).verdict)
    assert seen >= {Verdict.INCONCLUSIVE, Verdict.FAIL}
