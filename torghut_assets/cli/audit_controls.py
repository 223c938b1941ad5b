"""Which rule asks for what, and what this home holds: `torghut audit controls`."""

import json

import click

from torghut_assets.resources.home import Home


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object.")
def controls(as_json: bool) -> None:
    """Map requirements of trading and model-risk rules to the evidence in this home.

    For each requirement: the kinds of records that speak to it, how many there are here and the
    newest, the checks and commands behind them, and what is not covered. This is no legal
    advice and no claim of compliance.

    \b
    Examples:
      torghut audit controls
      torghut audit controls --json

    Exit status: 0 shown, whatever is evidenced, 3 a register or the ledger is altered, 4 the
    control map breaks a rule.
    """
    from torghut_assets.cli.auditing import audit_of
    from torghut_assets.domain.audit.controls import evidence_for, parse_control_map
    from torghut_assets.domain.audit.controls_page import controls_page

    home = Home.from_environment()
    control_map = parse_control_map(home.config_path("control_map").read_bytes())
    with audit_of(home) as (index, _):
        found = evidence_for(control_map, index.count_by_kind(), index.newest_of_kind)
    if as_json:
        statuses = {each.requirement_id: each.status for each in found.found}
        document = {"digest": found.digest, "status": statuses, **found.model_dump(mode="json")}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        for line in controls_page(found):
            click.echo(line)
