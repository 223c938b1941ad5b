"""Commands about universes: which symbols, from which source."""

from pathlib import Path

import click

from torghut_assets.resources.home import Home


@click.group()
def universe() -> None:
    """List universes, or add one of your own."""


@universe.command("list")
def list_universes() -> None:
    """List the universes a snapshot can be taken of.

    Exit status: 0 done, 4 a universe file is bad.
    """
    from torghut_assets.resources.market_data.universes import load_universes

    for name, item in sorted(load_universes(Home.from_environment().universes_folder).items()):
        click.echo(f"{name}  {item.frequency}  {item.source_kind}  {' '.join(item.symbols[:12])}")


@universe.command("add")
@click.argument("file", type=click.Path(path_type=Path))
def add_universe(file: Path) -> None:
    """Add a universe from a YAML FILE (see docs/data-sources.md).

    \b
    Example:
      torghut universe add my-universe.yaml

    Exit status: 0 added, 4 bad file or a name that is taken.
    """
    from torghut_assets.resources.candidate_files import read_submission
    from torghut_assets.resources.market_data.universes import add_universe_file

    home = Home.from_environment()
    home.prepare()
    added = add_universe_file(read_submission(file), home.universes_folder, location=str(file))
    click.echo(f"universe {added.name}: {len(added.symbols)} symbols")
