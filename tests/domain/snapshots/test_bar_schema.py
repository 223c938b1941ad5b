import numpy as np
import pyarrow as pa
import pytest

from torghut_assets.domain.snapshots.schema import (
    BAR_SCHEMA,
    STORED_BAR_SCHEMA,
    VERSION_KEY,
    bar_batch,
    schema_problem,
)


def test_the_schema_itself_and_dictionary_symbols_have_no_problem():
    assert schema_problem(BAR_SCHEMA) is None
    assert schema_problem(STORED_BAR_SCHEMA) is None
    encoded = BAR_SCHEMA.set(0, pa.field("symbol", pa.dictionary(pa.int32(), pa.string())))
    assert schema_problem(encoded) is None


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        (BAR_SCHEMA.remove(4), "no column low"),
        (pa.schema(list(reversed(list(BAR_SCHEMA)))), "instead of"),
        (BAR_SCHEMA.append(pa.field("vwap", pa.float64())), "instead of"),
        (BAR_SCHEMA.set(2, pa.field("open", pa.float32())), "column open has type float"),
        (BAR_SCHEMA.set(1, pa.field("time", pa.timestamp("us"))), "column time has type"),
        (BAR_SCHEMA.with_metadata({VERSION_KEY: b"2"}), "this release reads 1"),
    ],
)
def test_any_other_schema_is_named(schema, words):
    assert words in schema_problem(schema)


def test_adjusted_close_defaults_to_close():
    close = np.array([1.0, 2.0])
    numbers = dict.fromkeys(("open", "high", "low", "close", "volume"), close)
    batch = bar_batch("AAA", np.array(["2021-01-04", "2021-01-05"], "datetime64[us]"), numbers)
    assert batch.column("adjusted_close").to_pylist() == [1.0, 2.0]
    assert schema_problem(batch.schema) is None
