"""Dataset snapshots: an immutable cut of a universe's bars, validated and content-addressed."""

import dagster as dg

from torghut_assets.assets.partitions import SNAPSHOTS
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record

_SNAPSHOT_CODE = code_digest("domain/snapshots")


@dg.asset(
    partitions_def=SNAPSHOTS,
    group_name="backtest_robustness",
    owners=["team:data"],
    kinds={"parquet"},
    io_manager_key="record_io",
    code_version=_SNAPSHOT_CODE[:16],
)
def dataset_snapshot(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]
) -> dg.MaterializeResult[SnapshotManifest]:
    """Bars as Parquet and a manifest: universe, window, schema, source, quality, digests."""
    from torghut_assets.resources.market_data.universes import find_universe
    from torghut_assets.resources.snapshot_writer import take_snapshot

    snapshot_id = parse_snapshot_id(context.partition_key)
    previous = current_record(
        context.instance,
        home.store,
        SnapshotManifest,
        dg.AssetKey("dataset_snapshot"),
        context.partition_key,
    )
    universe = find_universe(snapshot_id.universe, home.universes_folder)
    manifest = take_snapshot(universe, snapshot_id.as_of, home.store, previous)
    return dg.MaterializeResult(
        value=manifest,
        data_version=dg.DataVersion(manifest.digest),
        metadata={
            "rows": manifest.rows,
            "window": f"{manifest.first_session} to {manifest.last_session}",
            "frequency": manifest.frequency,
            "source": f"{manifest.source.name} ({manifest.source.licence})",
            "source_digest": manifest.source.digest,
            "caveats": dg.MetadataValue.md(
                "\n".join(f"- {caveat}" for caveat in manifest.source.caveats) or "none stated"
            ),
            "findings": dg.MetadataValue.md(
                "\n".join(
                    f"- {f.severity}: {f.check} ({f.count}): {f.example}" for f in manifest.findings
                )
                or "none"
            ),
            "checks": f"{len(manifest.checks)} ran: {', '.join(manifest.checks)}",
            "coverage": dg.MetadataValue.table(
                records=[
                    dg.TableRecord(
                        {
                            "symbol": s.symbol,
                            "rows": s.rows,
                            "first": str(s.first_session),
                            "last": str(s.last_session),
                            "missing": s.missing_sessions,
                        }
                    )
                    for s in manifest.symbols
                ]
            ),
        },
    )
