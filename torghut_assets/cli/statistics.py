"""Command that verifies the statistics against a file of reference cases."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from torghut_assets.domain.statistics_verification import CaseOutcome, read_cases, verify_case
from torghut_assets.reference_api import FUNCTIONS


@click.command("verify-statistics")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of a table.")
def verify_statistics(file: Path, as_json: bool) -> None:
    """Run every case of a reference FILE and print what passed and what did not.

    \b
    Example:
      torghut verify-statistics tests/golden/statistics.json

    Exit status: 0 every case passed, 1 a case failed, 2 wrong usage, 4 not a case file.
    """
    cases = read_cases(file.read_bytes(), location=str(file))
    outcomes = [verify_case(case, FUNCTIONS) for case in cases]
    click.echo(_as_json(outcomes) if as_json else _as_table(outcomes))
    if not all(outcome.passed for outcome in outcomes):
        sys.exit(1)


def _as_json(outcomes: Sequence[CaseOutcome]) -> str:
    failed = [
        {"id": o.case_id, "function": o.function, "problem": o.problem}
        for o in outcomes
        if not o.passed
    ]
    passed = [o.case_id for o in outcomes if o.passed]
    return json.dumps({"cases": len(outcomes), "passed": passed, "failed": failed}, indent=2)


def _as_table(outcomes: Sequence[CaseOutcome]) -> str:
    """One line per case, failures last, then the count."""
    width = max(len(o.case_id) for o in outcomes)
    ordered = sorted(outcomes, key=lambda o: not o.passed)
    lines = [
        f"{'pass' if o.passed else 'FAIL'}  {o.case_id:<{width}}  {o.function}"
        + (f"\n      {o.problem}" if o.problem else "")
        for o in ordered
    ]
    failures = sum(not o.passed for o in outcomes)
    return "\n".join([*lines, f"{len(outcomes)} cases, {failures} failed"])
