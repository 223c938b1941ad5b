"""Which storage a home's ledger has: its own SQLite file, or a team's PostgreSQL database."""

import os
from typing import Final

from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger_file import LedgerStorage, SqliteLedger

LEDGER_URL: Final = "TORGHUT_LEDGER_URL"
"""Environment variable with the database's URL. It may hold a password: it is never an argument,
a message or a log line."""


def ledger_storage(home: Home) -> LedgerStorage:
    """Return the storage that the environment names; the home's own file if it names none."""
    url = os.environ.get(LEDGER_URL)
    if not url:
        return SqliteLedger(home.ledger_path, home.ledger_anchor_path)
    from torghut_assets.resources.ledger_postgres import PostgresLedger

    return PostgresLedger(url, home.ledger_anchor_path)


def has_ledger(home: Home) -> bool:
    """Whether there may be a ledger to read; a team's database always counts as one."""
    return bool(os.environ.get(LEDGER_URL)) or home.ledger_path.is_file()
