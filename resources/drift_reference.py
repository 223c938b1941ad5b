"""What a backtest saw, read from its tables: the reference that drift is measured against.

Needs neither Dagster nor a home: the tables may lie in a pack.
"""

from typing import TypeVar

from torghut_assets.domain.backtest.records import BacktestMetrics, TargetWeights
from torghut_assets.domain.drift.policy import DriftPolicy
from torghut_assets.domain.drift.reference import DriftReference, ReferencePath
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.records import Record
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.resources.artifact_store import ReadableStore

RecordT = TypeVar("RecordT", bound=Record)


def read_reference(
    store: ReadableStore,
    metrics: BacktestMetrics,
    policy: DriftPolicy,
    symbols: tuple[str, ...] | None = None,
) -> DriftReference:
    """Read what a backtest saw: path, bars and weights of its out-of-sample sessions.

    Columns are in the order of `symbols`, else of the stored weights.

    Raises
    ------
    EvidenceError
        If anything of it is missing or altered.
    StatisticsInputError
        If it is too short to compare anything with.
    """
    import numpy as np

    from torghut_assets.resources.bar_reader import read_panel
    from torghut_assets.resources.frame_io import read_frame

    weights = _about(store, TargetWeights, metrics.target_weights_digest, str(metrics.subject))
    manifest = _about(
        store, SnapshotManifest, metrics.inputs.manifest_digest, metrics.inputs.snapshot_id
    )
    path = read_frame(store, metrics.path_frame_digest)
    frame = read_frame(store, weights.frame_digest)
    panel = read_panel(manifest, store)
    times = path.column("time").to_numpy().astype("datetime64[us]")
    rows = np.searchsorted(panel.times.astype("datetime64[us]"), times)
    own = np.searchsorted(frame.column("time").to_numpy().astype("datetime64[us]"), times)
    names = symbols or weights.symbols
    columns = [panel.symbols.index(symbol) for symbol in names]
    bars = np.stack([panel.open, panel.high, panel.low, panel.close], axis=2)
    return DriftReference(
        ReferencePath(
            sessions=times.astype("datetime64[D]"),
            net_return=path.column("net_return").to_numpy(),
            gross_exposure=path.column("gross_exposure").to_numpy(),
        ),
        bars[rows][:, columns],
        np.column_stack([frame.column(s).to_numpy()[own] for s in names]),
        policy.reference,
    )


def _about(store: ReadableStore, model: type[RecordT], digest: str, subject: str) -> RecordT:
    """Return a record, verified, that must be about a partition."""
    record = model.from_canonical_bytes(store.get(digest), location=f"{model.record_kind} {digest}")
    if record.subject != subject:
        raise EvidenceContradictionError(
            location=f"{model.record_kind} {digest}",
            found=f"it is about {record.subject}",
            expected=subject,
        )
    return record
