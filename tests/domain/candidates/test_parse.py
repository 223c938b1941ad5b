"""Candidate files: what is accepted, and that everything else is refused with its place."""

import json
import time

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.candidates.records import CandidateSpec
from torghut_assets.domain.errors import (
    BadInputError,
    DocumentRefusedError,
    InvalidIdentifierError,
)


def parse(document):
    payload = json.dumps(document).encode()  # JSON is YAML; \u escapes stay escapes
    return parse_candidate_spec(payload, location="x.yaml")


def test_the_fields_of_the_file_are_the_fields_of_the_record(document):
    spec = parse(document)
    assert spec.candidate_id == "trend-example-v1"
    assert spec.parameter_grid == {"fast_bars": (10, 20, 100), "slow_bars": (50, 100)}
    assert spec.parent is None
    assert CandidateSpec.from_canonical_bytes(spec.canonical_bytes(), location="x") == spec


def test_yaml_as_people_write_it_gives_the_same_record(document):
    document["thesis"] = "First line\nand the second one.\n"
    folded = yaml.safe_dump(document, default_style=None, sort_keys=False).encode()
    assert parse_candidate_spec(folded, location="x.yaml") == parse(document)
    assert parse(document).thesis == "First line\nand the second one."


def test_a_range_includes_both_ends(document):
    document["parameter_grid"] = {"fast_bars": {"first": 10, "last": 30, "step": 5}}
    assert parse(document).parameter_grid["fast_bars"] == (10, 15, 20, 25, 30)


def test_a_grid_may_be_left_out(document):
    del document["parameter_grid"]
    assert parse(document).grid_points == 1


@pytest.mark.parametrize(
    "field",
    [
        "candidate_id",
        "title",
        "author",
        "thesis",
        "universe",
        "feature_hypotheses",
        "expected_regimes",
        "strategy",
        "parameters",
        "prior_run_evidence",
        "declared_outside_trials",
    ],
)
def test_every_statement_must_be_made(document, field):
    del document[field]
    with pytest.raises(BadInputError, match=f"x.yaml.*{field}"):
        parse(document)


@pytest.mark.parametrize(
    "place", [(), ("strategy",), ("feature_hypotheses", 0), ("expected_regimes", 0)]
)
def test_unknown_keys_are_refused(document, place):
    target = document
    for step in place:
        target = target[step]
    target["sharpe"] = 9.0
    with pytest.raises(BadInputError, match="sharpe"):
        parse(document)


@pytest.mark.parametrize("field", ["candidate_id", "universe", "parent"])
@pytest.mark.parametrize(
    "hostile",
    [
        "../../etc/passwd",
        "a/b-c",
        "x'; drop table",
        "ABCD",
        "ab\ncd",
        "",
        "a" * 65,
        7,
        "ab\u202ecd",
    ],
)
def test_an_id_is_never_a_path_or_anything_else(document, field, hostile):
    document[field] = hostile
    with pytest.raises(BadInputError, match=f"x.yaml: {field}") as refused:
        parse(document)
    assert "\u202e" not in str(refused.value)


def test_a_refused_id_is_an_invalid_identifier(document):
    document["candidate_id"] = "../x"
    with pytest.raises(InvalidIdentifierError):
        parse(document)


@pytest.mark.parametrize(
    "character",
    ["\u202e", "\u2066", "\u200b", "\x00", "\x1b", "\x85", "\ud800", "\u2028", "\ufeff"],
)
@pytest.mark.parametrize("field", ["title", "thesis"])
def test_what_a_reader_cannot_see_is_refused(document, character, field):
    document[field] = f"An honest{character} text of some length"
    with pytest.raises(BadInputError, match=r"x\.yaml") as refused:
        parse(document)
    assert character not in str(refused.value)


def test_hidden_characters_are_found_in_keys_and_lists(document):
    document["parameters"]["fast\u200b_bars"] = 3
    with pytest.raises(BadInputError, match=r"x.yaml: parameters.*u200b"):
        parse(document)
    del document["parameters"]["fast\u200b_bars"]
    document["feature_hypotheses"][0]["hypothesis"] += "\u202e"
    with pytest.raises(BadInputError, match=r"feature_hypotheses\[0\].hypothesis"):
        parse(document)


@pytest.mark.parametrize(
    "payload",
    [
        b"x" * 10_000_000,
        b"a: &a [x]\nb: [*a, *a]",
        b"a: &a [" + b"x," * 9 + b"]\n" + b"".join(b"k%d: &k%d [*a]\n" % (i, i) for i in range(9)),
        b"[" * 400,
        b"a: !!python/object/apply:os.system [ls]",
        b"\xff\xfe",
        b"candidate_id: a\x1b[2J",
        b"candidate_id: one-id\ncandidate_id: two-id",
        b"- a list",
        b"",
    ],
    ids=[
        "10 MB",
        "alias",
        "alias bomb",
        "deep",
        "tag",
        "not UTF-8",
        "control",
        "twice",
        "list",
        "none",
    ],
)
def test_a_hostile_document_is_refused_at_once(payload):
    start = time.process_time()
    with pytest.raises(DocumentRefusedError, match=r"x\.yaml"):
        parse_candidate_spec(payload, location="x.yaml")
    assert time.process_time() - start < 1.0


@pytest.mark.parametrize(
    ("grid", "reason"),
    [
        ({"fast_bars": {"first": 1, "last": 10**9, "step": 1}}, "1000000000 values"),
        ({"fast_bars": list(range(1, 202))}, "201 values"),
        ({"fast_bars": []}, "0 values"),
        ({f"p{i}": [1] for i in range(9)}, "9 parameters"),
        (
            {f"p{i}": {"first": 1, "last": 200, "step": 1} for i in range(4)},
            "1600000000 combinations",
        ),
        ({"fast_bars": [20, 20]}, "20 twice"),
        ({"fast_bars": [20, 20.0]}, "20.0 twice"),
        ({"fast_bars": [10, 30]}, "found 20, expected one of"),
        ({"band_fraction": [0.0, 0.1]}, "expected a declared value"),
        ({"fast_bars": {"first": 10, "last": 29, "step": 5}}, "multiple of step"),
        ({"fast_bars": {"first": 10, "last": 5, "step": 5}}, "multiple of step"),
        ({"fast_bars": {"first": 10, "last": 20, "step": 0}}, "step >= 1"),
        ({"fast_bars": {"first": 10, "last": 20}}, "first, last, step"),
        ({"fast_bars": {"first": 0.1, "last": 20, "step": 5}}, "whole numbers"),
        ({"fast_bars": {"first": False, "last": 20, "step": 5}}, "whole numbers"),
        ({"fast_bars": 20}, "a list or"),
        ({"fast_bars": [[20]]}, "numbers, texts"),
        ({"fast_bars": [None, 20]}, "numbers, texts"),
        ([["fast_bars", 20]], "a mapping"),
    ],
)
def test_a_bad_grid_is_refused_before_it_is_expanded(document, grid, reason):
    document["parameter_grid"] = grid
    with pytest.raises(BadInputError, match=r"x.yaml: param") as refused:
        parse(document)
    assert reason in str(refused.value)


def test_true_is_not_one(document):
    document["parameters"]["switch"] = True
    document["parameter_grid"] = {"switch": [1, 2]}
    with pytest.raises(BadInputError, match="expected one of"):
        parse(document)
    document["parameter_grid"] = {"switch": [1, True]}
    assert parse(document).parameter_grid["switch"] == (1, True)


def test_a_child_cites_its_parent(document):
    document["parent"] = "trend-example-v0"
    with pytest.raises(BadInputError, match="prior_run_evidence"):
        parse(document)
    document["prior_run_evidence"] = [{"digest": "a" * 64, "note": "Feedback on the parent."}]
    assert parse(document).parent == "trend-example-v0"
    document["parent"] = document["candidate_id"]
    with pytest.raises(BadInputError, match="the candidate itself"):
        parse(document)


@pytest.mark.parametrize("field", ["expected_regimes", "feature_hypotheses"])
def test_nothing_is_stated_twice(document, field):
    document[field] *= 2
    with pytest.raises(BadInputError, match="twice"):
        parse(document)


YAML_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = sorted(CandidateSpec.model_fields)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],  # the document is not changed
)
@given(field=st.sampled_from(FIELDS), value=YAML_VALUES)
def test_any_value_in_any_field_gives_a_record_or_a_refusal_in_one_line(document, field, value):
    try:
        spec = parse({**document, field: value})
    except BadInputError as refused:
        assert "\n" not in str(refused)  # noqa: PT017 - an outcome, not a failure
    else:
        assert CandidateSpec.from_canonical_bytes(spec.canonical_bytes(), location="x") == spec


@settings(max_examples=80, deadline=None)
@given(payload=st.binary(max_size=300))
def test_any_bytes_give_a_record_or_a_refusal(payload):
    with pytest.raises(BadInputError):
        parse_candidate_spec(payload, location="x.yaml")
