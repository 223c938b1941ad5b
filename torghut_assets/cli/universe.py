"""Command about universes: which symbols, from which source."""

import click

from torghut_assets.resources.home import Home


@click.group()
def universe() -> None:
    """List the universes that snapshots are taken of."""


@universe.command("list")
def list_universes() -> None:
    """List universes: name, frequency, source and symbols.

    Your own are YAML files in the folder `universes` of the home; docs/data-sources.md
    shows how to write one.

    Exit status: 0 done, 4 a universe file is bad.
    """
    from torghut_assets.resources.market_data.universes import load_universes

    folder = Home.from_environment().universes_folder
    for name, item in sorted(load_universes(folder).items()):
        symbols = " ".join(item.symbols[:12]) + (" …" if len(item.symbols) > 12 else "")
        click.echo(f"{name}  {item.frequency}  {item.source.kind}  {symbols}")
    click.echo(f"your own go to {folder}", err=True)
