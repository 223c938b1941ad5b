"""Tables in the artifact store, as Parquet files named by their own SHA-256."""

from typing import TYPE_CHECKING

from torghut_assets.domain.errors import EvidenceError
from torghut_assets.resources.artifact_store import ArtifactStore, ReadableStore

if TYPE_CHECKING:
    import pyarrow as pa


def write_frame(store: ArtifactStore, table: "pa.Table") -> str:
    """Store a table and return the digest of its file.

    The same table gives the same bytes under the same version of pyarrow, which the lock
    file pins.
    """
    import pyarrow.parquet as pq

    with store.writing() as temporary:
        pq.write_table(table, temporary, compression="zstd", write_statistics=False)
        return store.adopt(temporary)


def read_frame(store: ReadableStore, digest: str) -> "pa.Table":
    """Return a stored table, its bytes verified.

    Raises
    ------
    EvidenceError
        If it is missing, altered or not a table.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    payload = store.get(digest)
    try:
        return pq.read_table(pa.BufferReader(payload))
    except pa.ArrowInvalid as error:
        raise EvidenceError(f"artifact {digest} is not a Parquet table: {error}") from error
