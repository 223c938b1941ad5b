import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.errors import InvalidIdentifierError
from torghut_assets.domain.identifiers import (
    EvaluationKey,
    SnapshotId,
    parse_candidate_id,
    parse_date,
    parse_evaluation_key,
    parse_snapshot_id,
)

HOSTILE = [
    "",
    "abc",
    "-abcd",
    "abcd-",
    "a" * 65,
    "../../etc/passwd",
    "a/b/c",
    "a\\b-c",
    "abcd\n",
    "ab\x00cd",
    "abcd\u202e",
    "ABCD",
    "a'; drop table runs;--",
    "a|b-c",
    "abcd ",
    "аbcd",  # a Cyrillic letter that looks like an a
    "ab.cd",
    "abcd@2021",
    "%2e%2e%2f",
    "$(reboot)",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_what_is_not_a_candidate_id_is_refused(text):
    with pytest.raises(InvalidIdentifierError, match="candidate id: found"):
        parse_candidate_id(text)


@pytest.mark.parametrize("value", [None, 7, b"abcd", ["abcd"]])
def test_what_is_not_text_is_refused(value):
    with pytest.raises(InvalidIdentifierError):
        parse_candidate_id(value)
    with pytest.raises(InvalidIdentifierError):
        parse_snapshot_id(value)
    with pytest.raises(InvalidIdentifierError):
        parse_evaluation_key(value)


@given(st.text())
def test_whatever_is_accepted_is_harmless(text):
    try:
        accepted = parse_candidate_id(text)
    except InvalidIdentifierError as error:
        accepted = ""
        message = str(error)
    else:
        message = ""
    assert message.isascii()
    assert not message or message.isprintable()
    assert set(accepted) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@given(st.from_regex(r"[a-z0-9][a-z0-9-]{2,62}[a-z0-9]", fullmatch=True), st.dates())
def test_a_key_reads_back_as_it_was_written(name, date):
    snapshot = SnapshotId(name, date)
    assert parse_snapshot_id(str(snapshot)) == snapshot
    key = EvaluationKey(name, str(snapshot))
    assert parse_evaluation_key(str(key)) == key


@pytest.mark.parametrize(
    "text",
    [
        "us-megacaps",
        "us-megacaps@2021-02-30",
        "us-megacaps@2021-1-1",
        "x@2021-01-01",
        "us-megacaps@2021-01-01@2021-01-01",
        "us-megacaps@٢٠٢١-01-01",
    ],
)
def test_what_is_not_a_snapshot_id_is_refused(text):
    with pytest.raises(InvalidIdentifierError):
        parse_snapshot_id(text)


@pytest.mark.parametrize("text", ["20210101", "2021-W01-1", "yesterday", "2021-13-01"])
def test_only_one_way_to_write_a_date_is_accepted(text):
    with pytest.raises(InvalidIdentifierError, match="YYYY-MM-DD"):
        parse_date(text, location="--as-of")


def test_a_date_is_parsed():
    assert parse_date("2021-12-31", location="--as-of") == dt.date(2021, 12, 31)


@pytest.mark.parametrize("text", ["a-b-c-d", "abcd|efgh", "abcd|us-megacaps@2021-12-31|x"])
def test_what_is_not_an_evaluation_key_is_refused(text):
    with pytest.raises(InvalidIdentifierError):
        parse_evaluation_key(text)
