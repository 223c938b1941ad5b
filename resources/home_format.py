"""Which format a home has, and how an older one becomes one of today.

The format is a number in `format.json`, written when a home is prepared. A home that was made
before there was such a file has format 0. Code works on homes of its own format only: an older
one is migrated by `migrate`, a newer one is left to newer code.

A migration copies what it may change, brings Dagster's databases up to date, proves that the
ledger and the registers hold what they held, and writes the new number last. Whoever is killed
before that starts again; each step done twice is done once.
"""

import contextlib
import fcntl
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.dagster_storage import MigrationRefusedError
from torghut_assets.resources.new_files import write_new

if TYPE_CHECKING:
    import datetime as dt

    from torghut_assets.resources.home import Home

FORMAT: Final = 1
"""The format of homes that this code makes and works on. History: docs/upgrading.md."""
_LARGEST_BYTES: Final = 4096
_PREPARED: Final = ("candidates", "universes")
"""Folders that preparing a home makes, and has always made."""
_COPIED: Final = ("anchors", "brokers", "candidates", "config", "keys", "kill", "ledger")
_DATABASES: Final = frozenset({".sqlite", ".db"})
_BESIDES: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database; its own copy has them folded in."""


class HomeFormatError(BadInputError):
    """The home has another format than this code works on."""


class _FormatFile(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    format: int = Field(ge=1)


def format_of(root: Path) -> int | None:
    """Return the format of a home; `None` if nobody has prepared it.

    Raises
    ------
    HomeFormatError
        If the file is there and says nothing of the kind.
    """
    path = root / "format.json"
    try:
        payload = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return 0 if all((root / name).is_dir() for name in _PREPARED) else None
    except OSError as error:
        raise _unreadable(path, str(error.strerror)) from error
    try:
        if len(payload) > _LARGEST_BYTES:
            raise _unreadable(path, f"{len(payload):,} bytes")
        return _FormatFile.model_validate_json(payload).format
    except ValidationError as error:
        raise _unreadable(path, "something else") from error


def require_format(root: Path) -> None:
    """Refuse to work on a home of another format; one that is not there yet is fine.

    Raises
    ------
    HomeFormatError
        Saying whether to migrate the home or to install newer code.
    """
    found = format_of(root)
    if found is None or found == FORMAT:
        return
    older = found < FORMAT
    raise HomeFormatError(
        location=f"home {root}",
        found=f"format {found}, made by {'earlier' if older else 'later'} code",
        expected=f"format {FORMAT}",
        action=(
            "Stop the daemon, then run `torghut migrate`; docs/upgrading.md says what it does."
            if older
            else "Install the release that made it, or name another home in TORGHUT_HOME."
        ),
    )


def mark_new(root: Path) -> None:
    """Write the format into a home that nobody has prepared."""
    if format_of(root) is None:
        with contextlib.suppress(FileExistsError):  # another process was faster
            write_new(root / "format.json", _FORMAT_FILE)


_FORMAT_FILE: Final = b'{"format":%d}\n' % FORMAT


def migrate(
    home: "Home",
    now: "dt.datetime",
    say: Callable[[str], None],
    *,
    database_backed_up: bool = False,
) -> bool:
    """Bring a home to today's format; `False` if it has it already.

    Parameters
    ----------
    home : Home
    now : datetime
        In UTC; names the backup.
    say : callable
        Called with a line for each step.
    database_backed_up : bool
        The caller has a copy of the database that Dagster uses instead of files, if it does.

    Raises
    ------
    HomeFormatError
        If there is no home, or a newer one.
    MigrationRefusedError
        If a daemon works on it, or another migration does.
    EvidenceError
        If ledger or registers do not hold: restore them first.
    """
    from torghut_assets.resources.dagster_storage import (
        outdated_storages,
        require_quiet,
        upgrade_storages,
        uses_database,
    )

    found = format_of(home.root)
    if found is None:
        raise BadInputError(
            location=f"home {home.root}",
            found="no home",
            expected="a home that was prepared",
            action="Set TORGHUT_HOME; a new home needs no migration.",
        )
    if found > FORMAT:
        require_format(home.root)
    with _alone(home.root):
        if format_of(home.root) == FORMAT and not outdated_storages(home.dagster_home):
            return False
        require_quiet(home.dagster_home, now)
        if uses_database(home.dagster_home) and not database_backed_up:
            raise MigrationRefusedError(
                f"{home.dagster_home}: Dagster keeps its events in a database that is not copied "
                "here. Back it up (pg_dump), then run `torghut migrate --database-backed-up`."
            )
        say(f"home     {home.root}, format {found}")
        before = proofs(home)
        say(f"whole    {', '.join(f'{name} {head}' for name, head in before.items())}")
        backup = _back_up(home, f"format-{found}-{now:%Y%m%dT%H%M%SZ}")
        say(f"backup   {backup}")
        upgrade_storages(home.dagster_home, say)
        after = proofs(home)
        if after != before:
            raise MigrationRefusedError(
                f"{home.root}: ledger or registers changed during the migration; somebody works "
                f"on this home. Stop every process, restore {backup}, and start again."
            )
        _write_format(home.root)
        say(f"format   {FORMAT}")
    return True


def proofs(home: "Home") -> dict[str, str]:
    """Verify the ledger and every register; return what each ends in, in few words.

    Raises
    ------
    EvidenceError
        With the first fault.
    """
    from torghut_assets.resources.ledger import Ledger
    from torghut_assets.resources.ledger_place import has_ledger
    from torghut_assets.resources.register_file import RegisterFile

    found = {}
    if has_ledger(home):
        ledger = Ledger(home)
        try:
            prefix = ledger.verify()
            head = ledger.head()
        finally:
            ledger.close()
        root = head[0].root_hash[:16] if head else "empty"
        found["ledger"] = f"{prefix.size} {root}"
    for name, path, anchor in (
        ("trials", home.trial_register_path, home.trial_anchor_path),
        ("receipts", home.receipts_path, home.receipts_anchor_path),
        ("orders", home.order_journal_path, home.order_journal_anchor_path),
    ):
        if path.is_file():
            file = RegisterFile(path, anchor)
            file.require_anchored()
            rows = file.rows_after(0)
            found[name] = f"{len(rows)} {rows[-1].digest[:16] if rows else 'empty'}"
    return found


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """Be the only migration of this home."""
    with (root / "migrating.lock").open("ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise MigrationRefusedError(
                f"{root}: another `torghut migrate` is at work. Wait for it to end."
            ) from error
        yield


def _back_up(home: "Home", name: str) -> Path:
    """Copy everything a migration may change; the name appears when the copy is whole.

    Artifacts are not copied: no code changes or deletes one.
    """
    folder = home.root / "backups"
    partial = folder / ".partial"
    shutil.rmtree(partial, ignore_errors=True)
    folder.mkdir(mode=0o700, exist_ok=True)  # keys are copied, too
    partial.mkdir()
    for part in _COPIED:
        _copy(home.root / part, partial / part)
    _copy(home.dagster_home, partial / "dagster")
    if (home.root / "format.json").is_file():
        shutil.copy2(home.root / "format.json", partial / "format.json")
    backup = folder / name
    number = 1
    while backup.exists():
        number += 1
        backup = folder / f"{name}-{number}"
    for copied in partial.rglob("*"):
        if copied.is_file():
            _flush(copied)
    partial.rename(backup)
    _flush(folder)
    return backup


def _copy(source: Path, target: Path) -> None:
    """Copy a folder; a database as SQLite does, whole whatever lies in its write-ahead log."""
    for path in sorted(source.rglob("*")) if source.is_dir() else ():
        copied = target / path.relative_to(source)
        if path.is_dir():
            copied.mkdir(parents=True, exist_ok=True)
        elif path.suffix in _DATABASES:
            copied.parent.mkdir(parents=True, exist_ok=True)
            with (
                closing(sqlite3.connect(f"file:{path}?mode=rw", uri=True)) as one,
                closing(sqlite3.connect(copied)) as other,
            ):
                one.backup(other)
            shutil.copymode(path, copied)
        elif path.is_file() and not path.name.endswith(_BESIDES):
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copied)


def _write_format(root: Path) -> None:
    from torghut_assets.resources.register_file import replace_file

    replace_file(root / "format.json", _FORMAT_FILE)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _unreadable(path: Path, found: str) -> HomeFormatError:
    return HomeFormatError(
        location=str(path),
        found=found,
        expected='{"format": NUMBER}',
        action="Restore the file from a backup; docs/upgrading.md says what it holds.",
    )
