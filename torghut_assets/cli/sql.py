"""Ask the warehouse in SQL, read-only."""

import csv
import io
import json
import sys
import textwrap
from typing import Any, Final

import click

from torghut_assets.domain.errors import UsageError
from torghut_assets.resources.home import Home
from torghut_assets.resources.warehouse_reader import Answer, Warehouse

_WIDEST: Final = 80
_GAP: Final = 2
_STAGING: Final = "stg_"


@click.command()
@click.argument("query", required=False)
@click.option("--json", "as_json", is_flag=True, help="A list of objects.")
@click.option("--csv", "as_csv", is_flag=True, help="Comma-separated, with a line of names.")
@click.option("--all", "with_staging", is_flag=True, help="List the staging tables as well.")
def sql(query: str | None, as_json: bool, as_csv: bool, with_staging: bool) -> None:
    """Run QUERY on the warehouse and print what it answers; - reads it from standard input.

    Without QUERY: list the tables with their columns. The file is opened read-only, and nothing
    else can be read: no file, no network, no extension, and no setting can be changed.

    \b
    Examples:
      torghut sql
      torghut sql "select * from promotion_funnel"
      torghut sql --csv "select * from trial_register" > trials.csv

    Exit status: 0 answered, 2 wrong usage, 3 there is no warehouse, 4 the query was refused.
    """
    if as_json and as_csv:
        raise UsageError("sql: --json or --csv, one of both.")
    with Warehouse.opened(Home.from_environment().warehouse_path) as warehouse:
        if query is None:
            _list(warehouse, as_json=as_json, with_staging=with_staging)
            return
        answer = warehouse.ask(sys.stdin.read() if query == "-" else query)
    if as_json:
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
    elif as_csv:
        click.echo(_as_csv(answer), nl=False)
    else:
        click.echo(_as_table(answer))


def _list(warehouse: Warehouse, *, as_json: bool, with_staging: bool) -> None:
    """Print every table with its columns, marts only unless staging is asked for."""
    tables = {
        name: text
        for name, text in warehouse.tables().items()
        if with_staging or not name.startswith(_STAGING)
    }
    columns = [column for column in warehouse.columns() if column.table in tables]
    if as_json:
        document = {
            name: {
                "description": text,
                "columns": {
                    c.name: {"type": c.type, "description": c.description}
                    for c in columns
                    if c.table == name
                },
            }
            for name, text in tables.items()
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    for name, text in tables.items():
        click.echo(click.style(name, bold=True))
        click.echo(textwrap.fill(text, _WIDEST, initial_indent="  ", subsequent_indent="  "))
        for column in columns:
            if column.table == name:
                label = f"    {column.name} ({column.type.lower()})"
                click.echo(
                    textwrap.fill(
                        f"{label}  {column.description}", _WIDEST, subsequent_indent=" " * 8
                    )
                )


def _as_table(answer: Answer) -> str:
    """Return rows in columns if they fit 80 columns or the terminal, else one value a line."""
    if not answer.columns:
        return "done; the statement has no answer"
    cells = [[_shown(value) for value in row] for row in answer.rows]
    widths = [max(map(len, column)) for column in zip(answer.columns, *cells, strict=True)]
    if sum(widths) + _GAP * (len(widths) - 1) > _WIDEST:
        return _as_records(answer.columns, cells)
    right = [
        all(isinstance(row[n], int | float | None) for row in answer.rows)
        for n in range(len(widths))
    ]
    lines = [
        (" " * _GAP)
        .join(
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        )
        .rstrip()
        for row in ([*answer.columns], ["-" * width for width in widths], *cells)
    ]
    return "\n".join([*lines, _count(len(cells))])


def _as_records(columns: tuple[str, ...], cells: list[list[str]]) -> str:
    """Return rows below each other, one value a line, wrapped."""
    width = max(map(len, columns)) + _GAP
    lines = []
    for number, row in enumerate(cells, start=1):
        lines.append(f"-- {number} ".ljust(_WIDEST, "-"))
        for name, cell in zip(columns, row, strict=True):
            lines += textwrap.wrap(
                cell or "", _WIDEST, initial_indent=name.ljust(width), subsequent_indent=" " * width
            ) or [name]
    return "\n".join([*lines, _count(len(cells))])


def _count(rows: int) -> str:
    return f"({rows} row)" if rows == 1 else f"({rows} rows)"


def _shown(value: Any) -> str:
    """Return a value for a person: `None` as a dash, nothing that a terminal would obey."""
    if value is None:
        return "–"
    if isinstance(value, float):
        text = f"{value:.6g}"
    elif isinstance(value, list | dict):
        text = ", ".join(map(str, value)) if isinstance(value, list) else json.dumps(value)
    else:
        text = str(value)
    return "".join(c if c.isprintable() else " " for c in text)


def _as_csv(answer: Answer) -> str:
    """Return rows as RFC 4180 has them; `None` is empty, a list is JSON."""
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    writer.writerow(answer.columns)
    for row in answer.rows:
        writer.writerow(
            json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else value
            for value in row
        )
    return lines.getvalue()
