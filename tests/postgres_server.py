"""A real PostgreSQL server in a temporary folder, reachable through a socket there only."""

import os
import pwd
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

LEDGER_SQL = Path(__file__).parent.parent / "deploy" / "postgres" / "ledger.sql"
PASSWORD = "not-to-be-seen-anywhere"


def binaries() -> Path | None:
    """Folder of the newest server that is installed; `None` if there is none."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/initdb")
    newest = max(folders, key=lambda path: int(path.parts[-3]), default=None)
    return newest.parent if newest else None


def prefix() -> list[str]:
    """How to run a command as somebody whom the server accepts: it refuses root."""
    if os.geteuid() != 0:
        return []
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return ["runuser", "-u", name, "--"]
    pytest.skip("this is root, and there is no other account to run PostgreSQL under")


@contextmanager
def server():
    """Yield the folder of a server's socket; stop it at the end."""
    folder = binaries()
    if folder is None:
        pytest.skip("PostgreSQL's server is not installed here")
    account = prefix()
    root = Path(tempfile.mkdtemp(prefix="ledger-pg-"))
    if account:
        shutil.chown(root, account[2])
    data = root / "data"
    options = f"-k {root} -c listen_addresses= -c fsync=off -c log_statement=all"

    def run(*command):
        subprocess.run(
            [*account, *command], check=True, capture_output=True, timeout=60, cwd=root, text=True
        )

    try:
        run(folder / "initdb", "-D", data, "-A", "trust", "-U", "admin", "-E", "UTF8", "--no-sync")
        run(folder / "pg_ctl", "-D", data, "-w", "-l", root / "log", "-o", options, "start")
        try:
            yield root
        finally:
            run(folder / "pg_ctl", "-D", data, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(root, ignore_errors=True)


def url_of(folder: Path, user: str, database: str) -> str:
    """Return the URL of a database, with a password that the server does not need."""
    return f"postgresql://{user}:{PASSWORD}@/{database}?host={folder}"


def as_admin(folder: Path, database: str, *statements: str) -> None:
    """Run statements as the superuser."""
    import psycopg2

    connection = psycopg2.connect(url_of(folder, "admin", database))
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
    finally:
        connection.close()


def new_ledger(folder: Path, database: str) -> str:
    """Make a database with an empty ledger and return the URL of a runner's role."""
    as_admin(folder, "postgres", f"CREATE DATABASE {database}")
    as_admin(folder, database, LEDGER_SQL.read_text("utf-8"))
    as_admin(folder, database, f"CREATE ROLE {database}_desk LOGIN IN ROLE torghut_runner")
    return url_of(folder, f"{database}_desk", database)
