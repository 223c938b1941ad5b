"""What rests on a digest, on graphs that are known in full."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.audit.impact import Edge, chain_to, resting_on


def namers_of(edges):
    def namers(digests):
        found = {}
        for edge in edges:
            if edge.digest in digests:
                found.setdefault(edge.digest, []).append(edge)
        return found

    return namers


def edges_of(*pairs):
    return [Edge(by, f"inputs.{digest}", digest) for by, digest in pairs]


def test_what_names_a_digest_rests_on_it_and_so_does_what_names_that():
    edges = edges_of(("backtest", "bars"), ("gate", "backtest"), ("other", "costs"))
    found = resting_on("bars", namers_of(edges))
    assert [(each.digest, each.steps, each.through) for each in found] == [
        ("backtest", 1, "bars"),
        ("gate", 2, "backtest"),
    ]


def test_each_is_listed_once_at_its_shortest_distance():
    edges = edges_of(("gate", "bars"), ("backtest", "bars"), ("gate", "backtest"))
    found = {each.digest: each.steps for each in resting_on("bars", namers_of(edges))}
    assert found == {"gate": 1, "backtest": 1}


def test_a_circle_ends_and_nothing_rests_on_itself():
    edges = edges_of(("a", "b"), ("b", "a"))
    assert [each.digest for each in resting_on("a", namers_of(edges))] == ["b"]


def test_nothing_rests_on_what_nobody_names():
    assert resting_on("bars", namers_of([])) == ()


def test_the_chain_leads_from_a_record_down_to_the_digest():
    edges = edges_of(("backtest", "bars"), ("gate", "backtest"), ("receipt", "gate"))
    resting = {each.digest: each for each in resting_on("bars", namers_of(edges))}
    assert [each.digest for each in chain_to("receipt", resting)] == ["receipt", "gate", "backtest"]
    assert chain_to("bars", resting) == ()


@given(
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=30),
    st.integers(0, 7),
)
def test_the_walk_finds_exactly_the_transitive_closure(pairs, start):
    edges = [Edge(str(by), "at", str(named)) for by, named in pairs]
    closure = {str(start)}
    for _ in range(8):
        closure |= {edge.by for edge in edges if edge.digest in closure}
    found = resting_on(str(start), namers_of(edges))
    assert {each.digest for each in found} == closure - {str(start)}
    assert all(a.steps <= b.steps for a, b in itertools.pairwise(found))
