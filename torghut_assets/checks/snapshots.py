"""Checks on dataset snapshots: the data schema and its quality, before any evaluation."""

import dagster as dg

from torghut_assets.assets.keys import DATASET_SNAPSHOT
from torghut_assets.assets.partitions import SNAPSHOTS
from torghut_assets.domain.snapshots.records import SnapshotManifest


@dg.asset_check(asset=DATASET_SNAPSHOT, partitions_def=SNAPSHOTS, blocking=True)
def data_schema_validation(dataset_snapshot: SnapshotManifest) -> dg.AssetCheckResult:
    """Schema, nulls, duplicates, order, bar sanity, gaps, staleness and coverage hold."""
    errors = dataset_snapshot.errors
    return dg.AssetCheckResult(
        passed=not errors,
        description="; ".join(f"{e.check}: {e.example}" for e in errors)
        or f"{len(dataset_snapshot.checks)} checks ran, {len(dataset_snapshot.findings)} warnings",
        metadata={
            "manifest_digest": dataset_snapshot.digest,
            "checks": dg.MetadataValue.json(list(dataset_snapshot.checks)),
        },
    )
