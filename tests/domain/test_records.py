import datetime as dt
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.records import (
    Measured,
    MeasuredOrNone,
    Record,
    parse_record,
    round_significant,
)


class Reading(Record):
    record_kind: ClassVar[str] = "reading"

    name: str
    day: dt.date
    value: Measured
    maybe: MeasuredOrNone = None


def reading(**changes):
    return Reading(**{"name": "a", "day": dt.date(2021, 12, 31), "value": 1.5, **changes})


def test_the_canonical_form_is_as_documented():
    expected = (
        b'{"kind":"reading","record":{"day":"2021-12-31","maybe":null,"name":"a","value":1.5},'
        b'"version":1}'
    )
    assert reading().canonical_bytes() == expected
    assert reading().digest == sha256_hex(expected)


@given(value=st.floats(allow_nan=False, allow_infinity=False), name=st.text("abcé", max_size=5))
def test_a_record_reads_back_from_its_own_bytes(value, name):
    record = reading(value=value, name=name)
    again = Reading.from_canonical_bytes(record.canonical_bytes(), location="x")
    assert again == record
    assert again.digest == record.digest


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e300, max_value=1e300))
def test_rounding_keeps_twelve_digits_and_is_stable(value):
    rounded = round_significant(value)
    assert rounded == pytest.approx(value, rel=1e-11)
    assert round_significant(rounded) == rounded


def test_the_last_bit_of_another_machine_does_not_change_the_digest():
    assert reading(value=0.1 + 0.2).digest == reading(value=0.3).digest
    assert reading(value=-0.0).digest == reading(value=0.0).digest


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "1.5", True, None])
def test_a_value_that_is_not_a_finite_number_is_refused(bad):
    with pytest.raises(ValidationError):
        reading(value=bad)


def test_a_record_cannot_be_changed_or_extended():
    record = reading()
    with pytest.raises(ValidationError):
        record.value = 2.0
    with pytest.raises(ValidationError):
        reading(extra=1)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda b: b.replace(b"1.5", b"1.50"), "canonical"),
        (lambda b: b.replace(b'"reading"', b'"writing"'), "expected reading"),
        (lambda b: b.replace(b'"version":1', b'"version":2'), "version 2"),
        (lambda b: b.replace(b'"name"', b'"mane"'), "not a reading"),
        (lambda b: b[:-5], "not a reading"),
        (lambda b: b.replace(b":1.5", b":NaN"), "not a reading"),
        (lambda b: b" " + b, "canonical"),
        (lambda b: b.replace(b'"maybe":null,', b'"maybe":null,"maybe":null,'), "canonical"),
    ],
)
def test_altered_bytes_are_refused(change, reason):
    with pytest.raises(EvidenceError, match=reason) as caught:
        Reading.from_canonical_bytes(change(reading().canonical_bytes()), location="here")
    assert str(caught.value).startswith("here")
    assert caught.value.exit_code == 3


def test_data_from_outside_becomes_a_record_or_one_clear_error():
    data = {"name": "a", "day": "2021-12-31", "value": 1.5}
    assert parse_record(Reading, data, location="f.yaml") == reading()
    with pytest.raises(BadInputError, match=r"f\.yaml: found day: .*and 1 more") as caught:
        parse_record(Reading, {**data, "value": "x", "day": 3}, location="f.yaml")
    assert caught.value.exit_code == 4
    with pytest.raises(BadInputError):
        parse_record(Reading, {**data, "value": float("nan")}, location="f.yaml")


def test_a_record_without_partition_has_no_subject():
    assert reading().subject is None
