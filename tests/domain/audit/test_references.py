"""Digests are found wherever a record names them."""

import pytest

from torghut_assets.domain.audit.references import GENESIS, read_any, references
from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.errors import EvidenceError

A, B, C = "a" * 64, "b" * 64, "c" * 64


def test_places_are_paths_and_items_with_a_name_go_by_it():
    record = {
        "inputs": [{"name": "bars", "digest": A}, {"digest": B}],
        "policy": {"digest": C},
        "note": "not a digest",
        "count": 3,
    }
    assert [tuple(found) for found in references(record)] == [
        ("inputs.bars.digest", A),
        ("inputs.1.digest", B),
        ("policy.digest", C),
    ]


def test_the_predecessor_of_a_first_entry_names_nothing():
    assert list(references({"previous_digest": GENESIS})) == []


@pytest.mark.parametrize(
    ("record", "about"),
    [
        ({"candidate_id": "x-v1"}, "x-v1"),
        ({"candidate_id": "x-v1", "snapshot_id": "u@2020-01-01"}, "x-v1|u@2020-01-01"),
        (
            {"candidate_id": "x-v1", "snapshot_id": "u@2020-01-01", "session": "2021-01-04"},
            "x-v1|2021-01-04",
        ),
        ({"inputs": {"candidate_id": "x-v1", "snapshot_id": "u@2020-01-01"}}, "x-v1|u@2020-01-01"),
        ({"inputs": [A]}, None),
    ],
)
def test_a_record_says_what_it_is_about(record, about):
    payload = canonical_json({"kind": "some-kind", "record": record, "version": 1})
    assert read_any(payload, location="here").about == about


@pytest.mark.parametrize("form", [[1], {"kind": "x"}, {"kind": 1, "record": {}}, {"record": {}}])
def test_other_json_is_no_record(form):
    with pytest.raises(EvidenceError, match="found other JSON"):
        read_any(canonical_json(form), location="here")


def test_a_record_that_is_not_canonical_is_refused():
    with pytest.raises(EvidenceError, match="canonical"):
        read_any(b'{"kind": "x", "record": {}}', location="here")
