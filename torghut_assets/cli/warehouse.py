"""Commands that make the warehouse: evidence as tables for SQL."""

import json
from pathlib import Path

import click

from torghut_assets.resources.home import Home


@click.group()
def warehouse() -> None:
    """Make tables of the evidence, for SQL."""


@warehouse.command()
def build() -> None:
    """Make every table of the warehouse from what the ledger states, and test them.

    The ledger, the registers and every record are verified first. The file is replaced only if
    every test passed; those that warn are about evidence that is not complete, and are printed.
    Needs the extra: pip install 'torghut-assets[warehouse]'.

    \b
    Example:
      torghut warehouse build
      torghut sql "select candidate_id, verdict, reason_codes from candidate_scorecard"

    Exit status: 0 built, 2 dbt is not installed, 3 evidence missing or altered, or rows that
    contradict themselves; the warehouse is as it was before then.
    """
    from torghut_assets.assets.warehouse import GROUP, JOB
    from torghut_assets.cli.driver import QUIET, own_error
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.definitions import build_definitions
    from torghut_assets.resources.warehouse_dbt import require_dbt

    require_dbt()
    home = Home.from_environment()
    job = build_definitions(home).resolve_job_def(JOB)
    with instance_of(home) as instance:
        try:
            done = job.execute_in_process(instance=instance, run_config=QUIET)
        except Exception as error:
            raise (own_error(error) or error) from error
    tables = {
        made.asset_key.to_user_string(): made.step_materialization_data.materialization.metadata
        for made in done.get_asset_materialization_events()
        if made.asset_key is not None
    }
    checks = done.get_asset_check_evaluations()
    marts = [name for name in tables if not name.startswith("stg_")]
    for name in marts:
        click.echo(f"{tables[name]['rows'].value:>7}  {name}")
    for check in checks:
        if not check.passed:
            about = f"{check.asset_key.to_user_string()}: {check.check_name}"
            click.echo(click.style(f"warning  {about}: {check.description}", fg="yellow"))
    head = tables[marts[0]]
    click.echo(
        f"{GROUP}  {len(tables)} tables of ledger entry {head['ledger_sequence'].value}, "
        f"{sum(check.passed for check in checks)} of {len(checks)} tests passed"
    )
    click.echo(f"file       {home.warehouse_path}")


@warehouse.command()
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder; made if need be.",
)
@click.option("--json", "as_json", is_flag=True, help="One object.")
def export(out: Path, as_json: bool) -> None:
    """Write what the warehouse is built from: one Parquet file for each kind of row.

    Needs no extra. The same home gives the same bytes. Every row has the digest of the record or
    register entry that it shows, and the ledger entry that states it.

    \b
    Example:
      torghut warehouse export --out evidence

    Exit status: 0 written, 3 evidence missing or altered: nothing is written then.
    """
    from torghut_assets.assets.keys import ASSETS
    from torghut_assets.resources.warehouse_export import export_evidence

    record_types = {name: made.record_type for name, made in ASSETS.items()}
    made = export_evidence(Home.from_environment(), record_types, out)
    if as_json:
        document = {
            "ledger_sequence": made.ledger_sequence,
            "ledger_root": made.ledger_root,
            "files": {
                f"{name}.parquet": {"rows": file.rows, "sha256": file.digest}
                for name, file in made.files.items()
            },
        }
        click.echo(json.dumps(document, indent=2))
        return
    for name, file in made.files.items():
        click.echo(f"{file.rows:>7}  {name}.parquet  {file.digest[:16]}")
    click.echo(f"ledger entry {made.ledger_sequence}, root {made.ledger_root[:16]}")
