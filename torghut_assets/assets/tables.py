"""Tables and numbers as the UI shows them."""

import datetime as dt
from collections.abc import Iterable, Mapping

import dagster as dg

Cell = str | int | float | bool | None


def table(rows: Iterable[Mapping[str, Cell]]) -> dg.TableMetadataValue:
    """Return a metadata table; an undefined number is shown as a dash."""
    shown = [
        dg.TableRecord({name: "–" if cell is None else cell for name, cell in row.items()})
        for row in rows
    ]
    columns = list(shown[0].data) if shown else ["nothing"]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, _type(shown, name)) for name in columns])
    return dg.MetadataValue.table(records=shown, schema=schema)


def _type(rows: list[dg.TableRecord], name: str) -> str:
    kinds = {type(row.data[name]) for row in rows}
    if kinds <= {int}:
        return "int"
    return "float" if kinds <= {int, float} else "string"


def rounded(value: float | None, digits: int = 3) -> float | None:
    """Round for display; the record keeps all digits."""
    return None if value is None else round(value, digits)


def day(date: dt.date) -> str:
    """Write a date that a narrow table column does not break."""
    return date.isoformat().replace("-", "\N{NON-BREAKING HYPHEN}")
