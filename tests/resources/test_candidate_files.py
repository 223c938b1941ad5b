"""Submitted files: kept as they came, never replaced."""

import pytest

from torghut_assets.domain.documents import MAX_BYTES
from torghut_assets.domain.errors import BadInputError, EvidenceError, InvalidIdentifierError
from torghut_assets.resources.candidate_files import (
    keep_candidate,
    read_candidate,
    read_submission,
)


def test_a_large_file_is_read_one_byte_beyond_the_limit(tmp_path):
    (tmp_path / "large").write_bytes(b"a" * 10_000_000)
    assert len(read_submission(tmp_path / "large")) == MAX_BYTES + 1


@pytest.mark.parametrize("name", ["nothing", ".", "x" * 5_000])
def test_what_is_no_readable_file_is_refused(name, tmp_path):
    with pytest.raises(BadInputError):
        read_submission(tmp_path / name)


def test_the_bytes_are_kept_once_and_read_back(home):
    assert keep_candidate(home, "some-one-v1", b"a: 1\n") is True
    assert keep_candidate(home, "some-one-v1", b"a: 1\n") is False
    assert read_candidate(home, "some-one-v1") == b"a: 1\n"


@pytest.mark.parametrize(
    ("second", "shown"),
    [(b"a: 2\n", "-a: 1; \\+a: 2"), (b"a: 1\r\n", "line endings differ"), (b"\xff", "ufffd")],
)
def test_another_file_under_a_kept_id_is_refused_with_the_difference(second, shown, home):
    keep_candidate(home, "some-one-v1", b"a: 1\n")
    with pytest.raises(BadInputError, match=shown):
        keep_candidate(home, "some-one-v1", second)
    assert read_candidate(home, "some-one-v1") == b"a: 1\n"


def test_an_id_never_becomes_a_path(home):
    for name in ("../outside", "a/b", "..", ""):
        with pytest.raises(InvalidIdentifierError):
            keep_candidate(home, name, b"")
        with pytest.raises(InvalidIdentifierError):
            read_candidate(home, name)


def test_a_candidate_nobody_submitted_is_missing_evidence(home):
    with pytest.raises(EvidenceError, match="torghut candidate add"):
        read_candidate(home, "nobody-v1")
