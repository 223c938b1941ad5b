"""Reads the warehouse for whoever asks in SQL: nothing else can be read, nothing written.

The connection is read-only, and the engine itself refuses every other file, network and
extension; its settings are locked before the first statement of a user. What a statement can
still do is compute, for as long as it is let.
"""

import datetime as dt
import math
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from torghut_assets.domain.errors import BadInputError, EvidenceMissingError, TorghutError

if TYPE_CHECKING:
    import duckdb

_LOCKED: Final = {
    "enable_external_access": "false",
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "temp_directory": "",
    "memory_limit": "2GB",
    "lock_configuration": "true",
}


class WarehouseMissingError(TorghutError):
    """There is no warehouse yet."""

    exit_code = EvidenceMissingError.exit_code

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: no warehouse was built yet. Make it with: torghut warehouse build"
        )


class QueryRefusedError(BadInputError):
    """The engine refused a statement."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            location="sql",
            found=problem,
            expected="statements that read the warehouse",
            action="`torghut sql` lists its tables and columns.",
        )


class Column(NamedTuple):
    """One column of a table, as the warehouse documents it."""

    table: str
    name: str
    type: str
    description: str


class Answer(NamedTuple):
    """Names of the columns, and rows of plain values; `None` is SQL's NULL."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]


class Warehouse:
    """An open warehouse. See `opened`."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection") -> None:
        self._connection = connection

    @classmethod
    @contextmanager
    def opened(cls, path: Path) -> Iterator["Warehouse"]:
        """Open the file, locked down.

        Raises
        ------
        WarehouseMissingError
            If there is none.
        QueryRefusedError
            If it is no DuckDB database.
        """
        import duckdb

        if not path.is_file():
            raise WarehouseMissingError(path)
        try:
            connection = duckdb.connect(str(path), read_only=True, config=dict(_LOCKED))
        except duckdb.Error as error:
            raise QueryRefusedError(f"{path}: {_in_short(error)}") from error
        with connection:
            yield cls(connection)

    def ask(self, sql: str) -> Answer:
        """Run statements and return what the last one answers.

        Raises
        ------
        QueryRefusedError
            If the engine refuses one; it says why.
        """
        import duckdb

        try:
            result = self._connection.execute(sql)
            columns = tuple(str(each[0]) for each in result.description or ())
            rows = [tuple(map(plain, row)) for row in result.fetchall()] if columns else []
        except duckdb.Error as error:
            raise QueryRefusedError(_in_short(error)) from error
        return Answer(columns, rows)

    def columns(self) -> list[Column]:
        """Return every column of every table, with what the warehouse says about it."""
        answer = self.ask(
            "SELECT table_name, column_name, data_type, coalesce(comment, '') "
            "FROM duckdb_columns() WHERE NOT internal ORDER BY table_name, column_index"
        )
        return [Column(*row) for row in answer.rows]

    def tables(self) -> dict[str, str]:
        """Return what the warehouse says about each of its tables."""
        answer = self.ask(
            "SELECT table_name, coalesce(comment, '') FROM duckdb_tables() "
            "WHERE NOT internal ORDER BY table_name"
        )
        return {str(name): str(text) for name, text in answer.rows}


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it; a number that JSON has no word for becomes text."""
    shown: Any
    match value:
        case float() if not math.isfinite(value):
            shown = str(value)
        case None | bool() | int() | float() | str():
            shown = value
        case Decimal():
            shown = int(value) if value == value.to_integral_value() else float(value)
        case dt.datetime():
            shown = value.isoformat() + ("Z" if value.tzinfo is None else "")
        case dt.date() | dt.time():
            shown = value.isoformat()
        case list() | tuple():
            shown = [plain(each) for each in value]
        case dict():
            shown = {str(name): plain(each) for name, each in value.items()}
        case bytes():
            shown = value.hex()
        case _:
            shown = str(value)
    return shown


def _in_short(error: Exception) -> str:
    return " ".join(str(error).split())[:300].rstrip(".")
