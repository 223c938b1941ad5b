"""Tables and numbers as the UI shows them."""

import datetime as dt
from collections.abc import Iterable, Mapping

import dagster as dg

Cell = str | int | float | bool | None


def table(rows: Iterable[Mapping[str, Cell]]) -> dg.TableMetadataValue | dg.TextMetadataValue:
    """Return a metadata table; an undefined number is shown as a dash, no row as `none`."""
    shown = [
        dg.TableRecord({name: "–" if cell in {None, ""} else cell for name, cell in row.items()})
        for row in rows
    ]
    if not shown:
        return dg.MetadataValue.text("none")
    columns = [dg.TableColumn(name, _type(shown, name)) for name in shown[0].data]
    schema = dg.TableSchema(columns=columns)
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
    return unbroken(date.isoformat())


def unbroken(text: str) -> str:
    """Write a date or a moment so that the UI does not break it at its hyphens."""
    return text.replace("-", "\N{NON-BREAKING HYPHEN}")
