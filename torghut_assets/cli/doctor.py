"""Look at an installation and say what to do."""

import json
import sys
import textwrap
from typing import Final

import click

from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home

_COLOURS: Final = {"ok": "green", "absent": "blue", "attention": "yellow", "broken": "red"}
_SIGNS: Final = {"ok": "ok", "absent": "--", "attention": "!!", "broken": "XX"}
_INDENT: Final = " " * 19


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object with every finding.")
def doctor(as_json: bool) -> None:
    """Examine the installation: one line per finding, with what to do.

    Python, packages, compiled kernels, disk, clock, home and its format, keys, artifact store,
    ledger, registers and anchors, kill switch, Dagster's databases, daemon and sensors.
    It changes nothing. Marks: ok; -- absent and not needed; !! attention; XX evidence broken.

    \b
    Examples:
      torghut doctor
      torghut doctor --json

    Exit status: 0 healthy, 1 something needs attention, 3 evidence is broken.
    """
    from torghut_assets.resources.doctor.findings import Mark, Visit, exit_status
    from torghut_assets.resources.doctor.questions import examine

    findings = examine(Visit(Home.from_environment(), utc_now()))
    if as_json:
        shown = [{**f._asdict(), "mark": f.mark.value} for f in findings]
        click.echo(json.dumps({"status": exit_status(findings), "findings": shown}, indent=2))
        sys.exit(exit_status(findings))
    for finding in findings:
        mark = click.style(_SIGNS[finding.mark], fg=_COLOURS[finding.mark])
        first, *rest = textwrap.wrap(
            " ".join(finding.found.split()), 60, break_on_hyphens=False
        ) or [""]
        click.echo(f"{mark}  {finding.about:<15}{first}")
        for line in rest:
            click.echo(f"{_INDENT}{line}")
        if finding.action and finding.mark is not Mark.OK:
            for line in textwrap.wrap(f"-> {finding.action}", 60, break_on_hyphens=False):
                click.echo(f"{_INDENT}{line}")
    counted = {mark: sum(f.mark is mark for f in findings) for mark in Mark}
    click.echo(", ".join(f"{count} {mark.value}" for mark, count in counted.items() if count))
    sys.exit(exit_status(findings))
