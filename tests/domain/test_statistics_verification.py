"""The judge of reference cases: it must be able to say no."""

import json
import math

import pytest

from torghut_assets.domain.errors import BadInputError, StatisticsInputError
from torghut_assets.domain.statistics_verification import (
    ReferenceCase,
    Tolerance,
    decode,
    difference,
    read_cases,
    verify_case,
)

CLOSE = Tolerance(1e-9, 1e-9)
UNDEFINED = {"undefined": True, "accept": ["NaN", "null", "ValueError"]}
UNDEFINED_OR_INFINITE = {"undefined": True, "accept": ["NaN", "Infinity"]}


def case(expected, **inputs):
    return ReferenceCase("one", "function", inputs, expected, CLOSE)


def refuses(**_):
    raise StatisticsInputError(location="x", found="y", expected="z")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (1.0, 1.0 + 1e-10),
        (3, 3),
        (3.0, 3),
        (True, True),
        ("stable", "stable"),
        ([1.0, 2.0], [1.0, 2.0]),
        ({"a": 1.0, "extra": 9}, {"a": 1.0}),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (None, None),
        (math.nan, None),
        ({"a": math.nan}, {"a": "undefined"}),
        ({}, {"a": "undefined"}),
        (math.nan, UNDEFINED),
        (None, UNDEFINED),
        ({"a": math.nan, "b": None}, UNDEFINED),
        (math.inf, UNDEFINED_OR_INFINITE),
        (0.0, {"any_of": [{"value": 0.0}, UNDEFINED]}),
        (math.nan, {"any_of": [{"value": 0.0}, UNDEFINED]}),
        ({"value": 0.0}, {"value": 0.0}),
    ],
)
def test_a_result_that_agrees_passes(actual, expected):
    assert difference(actual, expected, CLOSE) == ""


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (1.0, 1.1),
        (3, 4),
        (1, True),
        (True, 1.0),
        ("stable", "major"),
        ([1.0], [1.0, 2.0]),
        ([1.0, 2.1], [1.0, 2.0]),
        (1.0, [1.0]),
        ({"b": 1.0}, {"a": 1.0}),
        (1.0, {"a": 1.0}),
        (0.0, "NaN"),
        (-math.inf, "Infinity"),
        (math.nan, 1.0),
        (0.0, None),
        ({"a": 0.0}, {"a": "undefined"}),
        (1e16, UNDEFINED),
        (math.inf, UNDEFINED),
        (-math.inf, UNDEFINED_OR_INFINITE),
        (None, UNDEFINED_OR_INFINITE),
        ({"a": math.nan, "b": 0.0}, UNDEFINED),
        ({}, UNDEFINED),
        ("NaN", UNDEFINED),
        (1.0, {"any_of": [{"value": 0.0}, UNDEFINED]}),
        (1.0, {"raises": "ValueError"}),
    ],
)
def test_a_result_that_does_not_agree_fails(actual, expected):
    assert difference(actual, expected, CLOSE) != ""


@pytest.mark.parametrize(
    ("expected", "passes"),
    [
        ({"raises": "ValueError"}, True),
        ({"raises": "KeyError"}, False),
        (UNDEFINED, True),
        (UNDEFINED_OR_INFINITE, False),
        ({"any_of": [{"value": 1.0}, UNDEFINED]}, True),
        ({"a": 1.0}, False),
        (1.0, False),
    ],
)
def test_an_error_passes_only_where_it_is_expected(expected, passes):
    assert verify_case(case(expected), {"function": refuses}).passed is passes


def test_a_broken_call_is_a_failed_case_not_a_crash():
    outcome = verify_case(case(1.0, unknown=2), {"function": lambda: 1.0})
    assert not outcome.passed
    assert "TypeError" in outcome.problem


def test_a_function_that_does_not_exist_fails():
    outcome = verify_case(case(UNDEFINED), {})
    assert outcome.problem == "no such function"


def test_inputs_are_decoded_at_any_depth():
    assert decode({"a": ["Infinity", {"b": "-Infinity"}], "c": "text"}) == {
        "a": [math.inf, {"b": -math.inf}],
        "c": "text",
    }
    outcome = verify_case(
        case(True, x=["NaN", 1.0]), {"function": lambda x: math.isnan(x[0]) and x[1] == 1.0}
    )
    assert outcome.passed


def test_a_long_result_is_shortened_in_the_message():
    assert len(difference(list(range(500)), [1], CLOSE)) < 200


GOOD = {"id": "one", "function": "f", "inputs": {}, "expected": 1}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"schema_version": 2, "cases": [GOOD]},
        {"schema_version": 1, "cases": []},
        {"schema_version": 1, "cases": {}},
        {"schema_version": 1},
        {"schema_version": 1, "cases": ["one"]},
        {"schema_version": 1, "cases": [{**GOOD, "inputs": []}]},
        {"schema_version": 1, "cases": [{"id": "one"}]},
        {"schema_version": 1, "cases": [GOOD, GOOD]},
        {"schema_version": 1, "cases": [{**GOOD, "tolerance": {"abs": "wide"}}]},
        {"schema_version": 1, "cases": [{**GOOD, "tolerance": 1}]},
    ],
)
def test_a_document_that_is_no_case_file_is_refused(document):
    with pytest.raises(BadInputError) as refused:
        read_cases(json.dumps(document).encode(), location="file.json")
    assert "file.json" in str(refused.value)
    assert refused.value.exit_code == 4


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_bytes_that_are_no_json_are_refused(payload):
    with pytest.raises(BadInputError):
        read_cases(payload, location="file.json")


def test_tolerances_default_to_exact():
    only = read_cases(
        json.dumps({"schema_version": 1, "cases": [GOOD]}).encode(), location="file.json"
    )[0]
    assert only.tolerance == Tolerance(0.0, 0.0)
