"""Tables by digest."""

import pyarrow as pa
import pytest

from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceDigestMismatchError,
    EvidenceError,
    EvidenceMissingError,
)
from torghut_assets.resources.frame_io import read_frame, write_frame

TABLE = pa.table({"time": [1, 2, 3], "net_return": [0.1, None, float("nan")]})


def test_a_table_comes_back_and_the_same_table_is_the_same_file(home):
    digest = write_frame(home.store, TABLE)
    assert write_frame(home.store, TABLE) == digest
    assert read_frame(home.store, digest).schema == TABLE.schema
    assert read_frame(home.store, digest).to_pydict()["time"] == [1, 2, 3]
    assert write_frame(home.store, TABLE.slice(1)) != digest


def test_an_altered_table_is_refused(home):
    digest = write_frame(home.store, TABLE)
    path = home.store.path_of(digest)
    payload = bytearray(path.read_bytes())
    payload[len(payload) // 2] ^= 1
    path.write_bytes(payload)
    with pytest.raises(EvidenceDigestMismatchError):
        read_frame(home.store, digest)


def test_bytes_that_are_no_table_are_refused_by_name(home):
    digest = home.store.put(b"not a table")
    with pytest.raises(EvidenceError, match=f"{digest} is not a Parquet table"):
        read_frame(home.store, digest)


def test_what_was_never_stored_is_missing(home):
    with pytest.raises(EvidenceMissingError):
        read_frame(home.store, "0" * 64)
    with pytest.raises(BadInputError):
        read_frame(home.store, "../../etc/passwd")
