"""Bring a home that earlier code made to the format of today."""

import click

from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home


@click.command()
@click.option(
    "--database-backed-up",
    is_flag=True,
    help="Dagster's PostgreSQL database was copied; nothing here can copy it.",
)
def migrate(database_backed_up: bool) -> None:
    """Migrate the home: Dagster's databases, then the home's own format.

    What a migration may change is copied into the folder `backups` of the home first; ledger
    and registers are verified before and after. Run it again after an interruption. A home
    that needs nothing is left alone.

    \b
    Examples:
      torghut migrate
      torghut migrate --database-backed-up

    Exit status: 0 migrated, or nothing to do; 1 somebody works on the home; 3 ledger or
    registers do not hold, nothing was changed; 4 no home, or one that newer code made.
    """
    from torghut_assets.resources.home_format import FORMAT
    from torghut_assets.resources.home_format import migrate as migrate_home

    home = Home.from_environment()
    if migrate_home(home, utc_now(), click.echo, database_backed_up=database_backed_up):
        click.echo("done     run `torghut doctor` before you start anything on this home")
    else:
        click.echo(f"home {home.root} has format {FORMAT} and needs nothing")
