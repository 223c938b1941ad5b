"""The tables of a pack, read for decisions that rest on them.

A pack comes from anybody: its tables were hashed, and nothing else of them is believed. What does
not fit into memory, or is no table, is a fault of the pack.
"""

import io
from typing import Final

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.pack_records import Artifacts
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.drift.policy import DriftPolicy
from torghut_assets.domain.drift.reference import DriftReference
from torghut_assets.resources.drift_reference import read_reference

MAX_VALUES: Final = 50_000_000
"""Most values, rows by columns, that a table of a pack may have."""
_TABLE: Final = b"PAR1"


class _PackTables:
    """The artifacts of a pack as a store of tables."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def get(self, digest: str) -> bytes:
        """Return the bytes of an artifact; a table only if it is of a possible size."""
        import pyarrow.parquet as pq

        payload = self._artifacts.get(digest)
        if payload.startswith(_TABLE):
            found = pq.ParquetFile(io.BytesIO(payload)).metadata
            if found.num_rows * found.num_columns > MAX_VALUES:
                raise PackFaultError(
                    PackFault.TOO_LARGE,
                    location=f"table {digest}",
                    detail=f"{found.num_rows} rows of {found.num_columns}, limit {MAX_VALUES}",
                )
        return payload

    def verified_path(self, digest: str) -> io.BytesIO:
        """Return an artifact as a file."""
        return io.BytesIO(self.get(digest))


def reference_in_pack(
    artifacts: Artifacts,
    metrics: BacktestMetrics,
    policy: DriftPolicy,
    symbols: tuple[str, ...],
) -> DriftReference:
    """Return what a backtest saw, from the tables of a pack; see `ReadReference`.

    Raises
    ------
    PackFaultError
        If a table is missing, too large or no table.
    """
    import pyarrow as pa

    try:
        return read_reference(_PackTables(artifacts), metrics, policy, symbols)
    except (pa.ArrowException, OSError, KeyError, ValueError, IndexError) as error:
        raise PackFaultError(
            PackFault.MALFORMED,
            location=f"backtest {metrics.digest}",
            detail=f"its tables cannot be read: {ascii(str(error))[:200]}",
        ) from error
