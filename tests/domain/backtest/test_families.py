import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from register_examples import POLICY, Chain, policy, trial

from torghut_assets.domain.backtest.families import UnknownCandidateError, family_of


def reasons(chain, candidate, rule=POLICY):
    family = family_of(chain.entries, candidate, rule)
    return {member.candidate_id: member.reason for member in family.members}


def test_a_candidate_alone_is_its_own_family():
    chain = Chain()
    chain.done("momentum-a")
    chain.done("reversal-a")
    assert reasons(chain, "momentum-a") == {"momentum-a": "itself"}


def test_the_same_code_under_another_name_is_the_same_family():
    chain = Chain()
    chain.done("momentum-a", family="momentum", code="same")
    chain.done("brand-new-idea", family="genius", code="same")
    assert reasons(chain, "brand-new-idea") == {
        "brand-new-idea": "itself",
        "momentum-a": "plugin_code",
    }


def test_the_next_version_of_a_strategy_type_stays_in_the_family():
    chain = Chain()
    chain.done("momentum-a", family="momentum", code="v1")
    chain.done("momentum-b", family="momentum", code="v2")
    assert reasons(chain, "momentum-b")["momentum-a"] == "strategy_type"


def test_a_parent_joins_even_another_strategy():
    chain = Chain()
    chain.done("momentum-a")
    chain.done("reversal-a", parent="momentum-a")
    assert reasons(chain, "momentum-a") == {"momentum-a": "itself", "reversal-a": "parent"}


@pytest.mark.parametrize("correlation", [0.95, 1.0, -0.97])
def test_returns_that_correlate_join_whatever_the_names_say(correlation):
    chain = Chain()
    first = chain.done("momentum-a")
    chain.done("copy-cat", correlated=[(first.sequence, correlation)])
    assert reasons(chain, "copy-cat")["momentum-a"] == "correlation"
    assert reasons(chain, "momentum-a")["copy-cat"] == "correlation"


def test_a_correlation_below_the_threshold_joins_only_under_a_stricter_policy():
    chain = Chain()
    first = chain.done("momentum-a")
    chain.done("cousin", correlated=[(first.sequence, 0.94)])
    assert "momentum-a" not in reasons(chain, "cousin")
    assert "momentum-a" in reasons(chain, "cousin", policy(join_correlation=0.9))


def test_families_join_through_others():
    chain = Chain()
    first = chain.done("first", code="x")
    chain.done("second", code="y", correlated=[(first.sequence, 0.99)])
    chain.done("third", code="y")
    chain.done("fourth", parent="third")
    assert set(reasons(chain, "first")) == {"first", "second", "third", "fourth"}


def test_ancestors_are_parents_of_parents_whenever_declared():
    chain = Chain()
    chain.done("grandparent")
    chain.done("parent", parent="grandparent")
    chain.done("child", parent="parent")
    chain.ticket("child", grid=11, parent="other-parent")
    chain.done("sibling", parent="parent")
    found = family_of(chain.entries, "child", POLICY)
    assert found.ancestors == {"grandparent", "parent", "other-parent"}
    assert "sibling" in found.candidates


def test_parents_in_a_circle_are_no_trap():
    chain = Chain()
    chain.done("egg", parent="hen")
    chain.done("hen", parent="egg")
    assert family_of(chain.entries, "egg", POLICY).ancestors == {"hen"}


def test_a_candidate_without_tickets_has_no_family():
    chain = Chain()
    chain.done("momentum-a", parent="never-run")
    with pytest.raises(UnknownCandidateError, match="torghut run never-run") as caught:
        family_of(chain.entries, "never-run", POLICY)
    assert caught.value.exit_code == 3


NAMES = st.sampled_from(["aaaa", "bbbb", "cccc", "dddd", "eeee"])
FACTS = st.builds(
    lambda candidate, family, code, parent: trial(
        candidate, family=family, code=code, parent=parent
    ),
    NAMES,
    st.sampled_from(["f1", "f2", "f3", "f4"]),
    st.sampled_from(["c1", "c2", "c3", "c4"]),
    st.none() | NAMES,
)


@settings(max_examples=80, deadline=None)
@given(facts=st.lists(FACTS, min_size=1, max_size=8), more=FACTS)
def test_belonging_is_mutual_and_only_ever_grows(facts, more):
    chain = Chain()
    for fact in facts:
        chain.add_trial(fact)
    ran = {fact.inputs.candidate_id for fact in facts}
    before = {name: family_of(chain.entries, name, POLICY).candidates for name in ran}
    for name in ran:
        assert name in before[name]
        for other in before[name] & ran:
            assert before[other] == before[name]
    chain.add_trial(more)
    for name in ran:
        assert before[name] <= family_of(chain.entries, name, POLICY).candidates
