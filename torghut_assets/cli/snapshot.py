"""Commands about dataset snapshots: take, list."""

import click

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.screen import bar, say
from torghut_assets.domain.errors import TorghutError
from torghut_assets.domain.identifiers import SnapshotId, parse_date, parse_name
from torghut_assets.resources.home import Home


@click.group()
def snapshot() -> None:
    """Take and list immutable dataset snapshots."""


def register(home: Home, snapshot_id: SnapshotId) -> bool:
    """Check that the universe exists, register the snapshot's partition; return whether new."""
    from torghut_assets.assets.partitions import SNAPSHOTS
    from torghut_assets.resources.market_data.universes import find_universe

    find_universe(snapshot_id.universe, home.universes_folder)
    name, key = str(SNAPSHOTS.name), str(snapshot_id)
    with instance_of(home) as instance:
        new = not instance.has_dynamic_partition(name, key)
        instance.add_dynamic_partitions(name, [key])
    return new


@snapshot.command()
@click.argument("universe")
@click.option("--as-of", required=True, metavar="DATE", help="Last day that may be in it.")
def take(universe: str, as_of: str) -> None:
    """Take a snapshot of UNIVERSE with the bars up to and including a date.

    The same source gives the same digest. If the source changed since the snapshot was
    taken, it is refused with the difference, never replaced.

    \b
    Example:
      torghut snapshot take us-megacaps --as-of 2021-12-31

    Exit status: 0 taken (or there already), 3 the source changed, 4 bad data or input.
    """
    from torghut_assets.assets.partitions import SNAPSHOTS

    home = Home.from_environment()
    name = parse_name(universe, kind="universe")
    snapshot_id = SnapshotId(name, parse_date(as_of, location="--as-of"))
    new = register(home, snapshot_id)
    with instance_of(home) as instance:
        try:
            driver = Driver(home, instance)
            with bar(str(snapshot_id)) as progress:
                progress.doing("bars read and checked, by symbol")
                outcome = driver.take_snapshot(str(snapshot_id))
        except TorghutError:
            if new:  # a date that cannot be taken is no choice in the UI
                instance.delete_dynamic_partition(str(SNAPSHOTS.name), str(snapshot_id))
            raise
    say(
        f"{snapshot_id}: {outcome.rows} rows, {len(outcome.symbols)} symbols, "
        f"{outcome.first_session} to {outcome.last_session}, digest {outcome.digest}"
    )
    for finding in outcome.findings:
        say(f"  {finding.severity}: {finding.check} ({finding.count}): {finding.example}")
    for caveat in outcome.source.caveats:
        say(f"  caveat: {caveat}")


@snapshot.command("list")
def list_snapshots() -> None:
    """List the snapshots that were taken.

    Exit status: 0 done, 3 a manifest is missing or altered.
    """
    import dagster as dg

    from torghut_assets.assets.partitions import SNAPSHOTS
    from torghut_assets.domain.snapshots.records import SnapshotManifest
    from torghut_assets.resources.lineage import current_record

    home = Home.from_environment()
    key = dg.AssetKey("dataset_snapshot")
    with instance_of(home) as instance:
        for snapshot_id in sorted(instance.get_dynamic_partitions(str(SNAPSHOTS.name))):
            manifest = current_record(instance, home.store, SnapshotManifest, key, snapshot_id)
            if manifest is None:
                click.echo(f"{snapshot_id}  registered, not taken")
            else:
                say(
                    f"{snapshot_id}  {manifest.rows} rows  {manifest.first_session} to "
                    f"{manifest.last_session}  {manifest.digest}"
                )
