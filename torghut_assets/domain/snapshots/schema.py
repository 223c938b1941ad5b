"""The bar schema, version 1: what one row of a snapshot means.

| column | type | meaning |
| --- | --- | --- |
| symbol | string | exchange ticker, e.g. `BRK.B` |
| time | timestamp[us, UTC] | daily: 00:00 UTC of the exchange's session date; |
| | | minute: start of the bar |
| open, high, low, close | float64 | USD per share, adjusted for splits, not for dividends |
| volume | float64 | shares, adjusted for splits |
| adjusted_close | float64 | USD per share, adjusted for splits and dividends; |
| | | equal to `close` where a source does not know dividends |

Rows are in the order of symbol (by code point), then time. No value is null.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

BAR_SCHEMA_VERSION: Final = 1
VERSION_KEY: Final = b"bar_schema_version"
NUMBERS: Final = ("open", "high", "low", "close", "volume", "adjusted_close")
BAR_SCHEMA: Final = pa.schema(
    [
        pa.field("symbol", pa.string()),
        pa.field("time", pa.timestamp("us", tz="UTC")),
        *(pa.field(name, pa.float64()) for name in NUMBERS),
    ]
)
STORED_BAR_SCHEMA: Final = BAR_SCHEMA.with_metadata({VERSION_KEY: str(BAR_SCHEMA_VERSION)})


def schema_problem(found: pa.Schema) -> str | None:
    """Why a table or file is not in bar schema 1, or `None` if it is.

    A dictionary-encoded `symbol` column counts as strings; column order matters; a file
    that states no version is taken as version 1, any other version is refused.
    """
    version = (found.metadata or {}).get(VERSION_KEY)
    if version is not None and version != str(BAR_SCHEMA_VERSION).encode():
        return f"bar schema version {ascii(version)[:20]}, this release reads 1"
    missing = [name for name in BAR_SCHEMA.names if name not in found.names]
    if missing:
        return f"no column {', '.join(missing)}"
    if found.names != BAR_SCHEMA.names:
        return f"columns {', '.join(found.names)[:200]} instead of {', '.join(BAR_SCHEMA.names)}"
    for field in BAR_SCHEMA:
        kind = found.field(field.name).type
        if pa.types.is_dictionary(kind):
            kind = kind.value_type
        if kind != field.type:
            return f"column {field.name} has type {kind}, not {field.type}"
    return None


def bar_batch(
    symbol: str, times: npt.NDArray[np.datetime64], numbers: dict[str, npt.NDArray[np.float64]]
) -> pa.RecordBatch:
    """One symbol's bars as a record batch of schema 1.

    Parameters
    ----------
    symbol : str
    times : ndarray of datetime64[us], shape (n_bars,)
        Labels in UTC.
    numbers : dict of ndarray of float64, each of shape (n_bars,)
        One entry per name in `NUMBERS`; `adjusted_close` may be left out.
    """
    columns = {"adjusted_close": numbers["close"], **numbers}
    return pa.record_batch(
        [
            pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(len(times), dtype=np.int32)), pa.array([symbol])
            ),
            pa.array(times.astype("datetime64[us]")).cast(BAR_SCHEMA.field("time").type),
            *(pa.array(columns[name], type=pa.float64()) for name in NUMBERS),
        ],
        names=BAR_SCHEMA.names,
    )
