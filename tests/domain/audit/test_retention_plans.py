"""Only what nothing needs may go; anything that is not certain stays."""

import datetime as dt
import re
from importlib.resources import files

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.audit.retention import (
    RetentionEvidence,
    digests_in,
    plan_removals,
    protected_by,
)
from torghut_assets.domain.audit.retention_policy import (
    DECISIONS,
    RetentionPolicyRefusedError,
    parse_retention_policy,
)
from torghut_assets.domain.errors import EvidenceDigestMismatchError
from torghut_assets.domain.evidence.removals import PlacedHold, SaidOf
from torghut_assets.domain.evidence.retention_records import LegalHold

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
NOW = START + dt.timedelta(days=100)
NAMES = [f"{n:064x}" for n in range(8)]
SHIPPED = (files("torghut_assets") / "config/retention_policy.yaml").read_bytes()


def policy(**days):
    data = yaml.safe_load(SHIPPED)
    data["keep_days"] = days or {"backtest": 10}
    return parse_retention_policy(yaml.safe_dump(data).encode())


def evidence(said, edges=None, roots=None, holds=None):
    edges = edges or {}
    return RetentionEvidence(
        said=said,
        rests_on=lambda digest: edges.get(digest, ()),
        sizes=dict.fromkeys(NAMES, 1),
        described={},
        roots=roots or {},
        holds=holds or {},
    )


def said(kind="backtest", day=0, candidate="some-candidate", sequence=1):
    return SaidOf(kind, sequence, START + dt.timedelta(days=day), candidate)


def going(found):
    return {item.artifact for item in found.items}


def test_a_term_counts_from_the_newest_statement_of_each_kind_and_the_longest_counts():
    a, b, c, d = NAMES[:4]
    statements = {
        a: [said(day=0)],
        b: [said(day=0), said(day=95, sequence=2)],
        c: [said(), said("stress", sequence=2)],
        d: [said(), said("overfit", sequence=2)],
    }
    found = plan_removals(evidence(statements), policy(backtest=10, stress=99), NOW)
    assert going(found) == {a, c}
    reasons = dict(found.kept)
    assert reasons[b] == "its term has not passed"
    assert reasons[d] == "overfit is kept for good"
    assert reasons[NAMES[7]] == "nobody stated it"


def test_the_moment_a_term_ends_is_the_first_at_which_it_may_go():
    a = NAMES[0]
    ends = START + dt.timedelta(days=10)
    second = dt.timedelta(seconds=1)
    for now, expected in ((ends - second, set()), (ends, {a})):
        assert going(plan_removals(evidence({a: [said()]}), policy(), now)) == expected


@pytest.mark.parametrize("kind", sorted(DECISIONS - {"receipt"}))
def test_what_a_decision_within_its_term_rests_on_stays(kind):
    a, b, c = NAMES[:3]
    statements = {a: [said(kind)], b: [said()], c: [said()]}
    edges = {a: (b,), b: (c,)}
    for days, expected in ((1000, set()), (1, {a, b, c})):
        found = plan_removals(evidence(statements, edges), policy(backtest=1, **{kind: days}), NOW)
        assert going(found) == expected


def test_a_hold_spreads_over_what_it_rests_on_and_nothing_else():
    a, b, c, d = NAMES[:4]
    statements = {
        a: [said()],
        b: [said(candidate=None)],
        c: [said(candidate="other-candidate")],
        d: [said(candidate=None)],
    }
    edges = {a: (b,), c: (d,)}
    scopes = (
        ({"candidates": ("some-candidate",)}, {c, d}),
        ({"artifacts": (c,)}, {a, b}),
        ({"artifacts": (d,)}, {a, b, c}),
        ({"everything": True}, set()),
    )
    for scope, expected in scopes:
        full = {"everything": False, "candidates": (), "artifacts": (), **scope}
        hold = LegalHold(name="inquiry", reason="why", holder="Alice", placed_at=START, **full)
        held = evidence(statements, edges, holds={"inquiry": PlacedHold(9, hold)})
        assert going(plan_removals(held, policy(), NOW)) == expected


@given(
    edges=st.dictionaries(
        st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4), max_size=8
    ),
    roots=st.sets(st.sampled_from(NAMES), max_size=3),
    more=st.sampled_from(NAMES),
)
def test_one_more_thing_in_force_never_lets_more_go(edges, roots, more):
    statements = {name: [said()] for name in NAMES}
    few = evidence(statements, edges, dict.fromkeys(roots, "in force"))
    many = evidence(statements, edges, dict.fromkeys({*roots, more}, "in force"))
    assert going(plan_removals(many, policy(), NOW)) <= going(plan_removals(few, policy(), NOW))
    kept = protected_by(few, policy(), NOW)
    assert all(below in kept for name in kept for below in edges.get(name, ()))


def test_what_cannot_be_read_stops_the_plan():
    a = NAMES[0]

    def altered(digest):
        raise EvidenceDigestMismatchError(location=digest, expected=digest, actual="other")

    broken = RetentionEvidence({a: [said()]}, altered, {a: 1}, {}, {a: "in force"}, {})
    with pytest.raises(EvidenceDigestMismatchError):
        plan_removals(broken, policy(), NOW)


def test_everything_that_could_be_a_digest_counts_as_one():
    a, b = "a" * 64, "0b" * 32
    assert {a, b} <= digests_in(f'{{"x":"{a}","{b}":1}}'.encode())
    assert a in digests_in(f"0{a}".encode())
    assert digests_in(b'{"x":"' + b"A" * 64 + b'"}') == set()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"persons_required": 1}, "persons_required"),
        ({"persons_required": 10}, "persons_required"),
        ({"keep_days": {}}, "keep_days"),
        ({"keep_days": {"approval": 1}}, "no kind of statement about records"),
        ({"keep_days": {"tombstone": 1}}, "no kind of statement about records"),
        ({"keep_days": {"backtest": -1}}, "expected 0 to 36500"),
        ({"keep_days": {"backtest": 99_999}}, "expected 0 to 36500"),
        ({"keep_days": {"backtest": 1.5}}, "keep_days"),
        ({"sources": {"keep_days": "somewhere"}}, "no source for persons_required"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_policy_that_breaks_a_rule_is_refused_by_name(change, message):
    data = yaml.safe_load(SHIPPED) | change
    with pytest.raises(RetentionPolicyRefusedError, match=re.escape(message)):
        parse_retention_policy(yaml.safe_dump(data).encode())
