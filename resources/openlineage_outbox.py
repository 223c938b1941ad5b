"""Sends the OpenLineage events of runs, each at least once and in order, whoever was down.

What was delivered is noted in a small database of the home; what was not is built again from the
event log next time. A crash between delivery and note sends the same bytes once more: a
collector tells them by run and type. The note is derived: without it everything is sent again.
"""

import datetime as dt
import os
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import SplitResult, urlsplit

import dagster as dg

from torghut_assets.domain.errors import BadInputError, TorghutError
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.domain.records import Record
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.openlineage_events import RunEvents, due_types
from torghut_assets.resources.register_file import connected, locked
from torghut_assets.resources.source_location import source_location

if TYPE_CHECKING:
    from openlineage.client.event_v2 import RunEvent

LINEAGE_TO: Final = "TORGHUT_LINEAGE"
"""Environment variable with the place that events go to: an http(s) URL, or `file:PATH`."""
API_KEY: Final = "OPENLINEAGE_API_KEY"
_SECONDS: Final = 5.0
_OVERLAP: Final = dt.timedelta(minutes=5)
_BEGIN: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_TRY_AGAIN: Final = frozenset({401, 403, 404, 408, 425, 429})
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS delivered (place TEXT NOT NULL, run_id TEXT NOT NULL,
  event_type TEXT NOT NULL, outcome TEXT NOT NULL,
  PRIMARY KEY (place, run_id, event_type)) STRICT;
CREATE TABLE IF NOT EXISTS progress (place TEXT PRIMARY KEY, updated_at TEXT NOT NULL) STRICT;
"""


class CollectorDownError(TorghutError):
    """Nobody took an event; nothing is lost, it is sent again next time."""

    exit_code = 1

    def __init__(self, place: str, problem: str, waiting: int) -> None:
        self.waiting = waiting
        super().__init__(
            f"{place}: {problem}. {waiting} events wait; run `torghut lineage emit` again, or "
            "leave it to the sensor."
        )


class EventRefusedError(Exception):
    """A collector answered that this event will never do."""


class Emitted(NamedTuple):
    """What one pass did: events delivered, events that the collector refused for good."""

    delivered: int
    refused: tuple[str, ...]


class Outbox:
    """Delivers what runs of one home owe to one place.

    Parameters
    ----------
    home : Home
    place : str
        An http(s) URL or `file:PATH`.
    record_types : mapping of str to type
        What every asset holds.

    Raises
    ------
    BadInputError
        If the place is none, or the extra `lineage` is not installed.
    """

    def __init__(self, home: Home, place: str, record_types: Mapping[str, type[Record]]) -> None:
        self._home = home
        self._place = place
        self._record_types = record_types
        self._transport = transport_to(place)

    def emit(self, instance: dg.DagsterInstance) -> Emitted:
        """Deliver everything that is due, run by run in the order in which they changed.

        Raises
        ------
        CollectorDownError
            At the first event that nobody takes; those before it are delivered and noted.
        """
        path = self._home.lineage_outbox_path
        with locked(path), connected(path, create=True) as notes:
            notes.executescript(_SCHEMA)
            return self._emitted(instance, notes)

    def _emitted(self, instance: dg.DagsterInstance, notes: sqlite3.Connection) -> Emitted:
        records = self._changed(instance, notes)
        due = [(r, t) for r in records for t in due_types(r.dagster_run.status)]
        here = shown(self._place)
        delivered = set(
            notes.execute("SELECT run_id, event_type FROM delivered WHERE place = ?", (here,))
        )
        due = [(r, t) for r, t in due if (r.dagster_run.run_id, t) not in delivered]
        events = RunEvents(
            self._home.store, self._record_types, self._code_of_runs(due), source_location()
        )
        refused = []
        for number, (record, event_type) in enumerate(due):
            run_id, outcome = record.dagster_run.run_id, "delivered"
            try:
                self._send(events.build(instance, record, event_type))
            except EventRefusedError as error:
                outcome = str(error)
                refused.append(f"{run_id} {event_type}: {error}")
            except OSError as error:
                self._note_progress(notes, record.update_timestamp)
                problem = " ".join(str(error).split())[:200]
                raise CollectorDownError(here, problem, len(due) - number) from error
            notes.execute(
                "INSERT INTO delivered VALUES (?, ?, ?, ?)", (here, run_id, event_type, outcome)
            )
        if records:
            self._note_progress(notes, records[-1].update_timestamp)
        return Emitted(len(due) - len(refused), tuple(refused))

    def _changed(
        self, instance: dg.DagsterInstance, notes: sqlite3.Connection
    ) -> Sequence[dg.RunRecord]:
        """Return the runs that changed since everything before was delivered, oldest first.

        Some are seen again: a run that was written late with an earlier time is not missed.
        """
        row = notes.execute(
            "SELECT updated_at FROM progress WHERE place = ?", (shown(self._place),)
        ).fetchone()
        since = dt.datetime.fromisoformat(row[0]) - _OVERLAP if row else _BEGIN
        return instance.get_run_records(
            dg.RunsFilter(updated_after=since), order_by="update_timestamp", ascending=True
        )

    def _note_progress(self, notes: sqlite3.Connection, at: dt.datetime) -> None:
        moment = at if at.tzinfo else at.replace(tzinfo=dt.UTC)
        notes.execute(
            "INSERT OR REPLACE INTO progress VALUES (?, ?)",
            (shown(self._place), moment.isoformat()),
        )

    def _code_of_runs(self, due: Sequence[tuple[dg.RunRecord, str]]) -> dict[str, str]:
        """Return the digest of the code that the statements of some runs name."""
        wanted = {record.dagster_run.run_id for record, _ in due}
        found: dict[str, str] = {}
        if not wanted:
            return found
        for entry in Ledger(self._home).checked().entries:
            if "record" in entry.subjects:
                made = entry.statement.record(RecordMade, location=f"entry {entry.sequence}")
                if made.run_id in wanted:
                    found[str(made.run_id)] = made.code_digest
        return found

    def _send(self, event: "RunEvent") -> None:
        """Hand an event over.

        Raises
        ------
        EventRefusedError
            If the collector says that the event itself is wrong.
        OSError
            If nobody took it.
        """
        from requests.exceptions import HTTPError

        try:
            self._transport.emit(event)
        except HTTPError as error:
            status = error.response.status_code if error.response is not None else 0
            if 400 <= status < 500 and status not in _TRY_AGAIN:
                raise EventRefusedError(f"refused with status {status}") from error
            raise OSError(f"answered with status {status}") from error
        except RuntimeError as error:  # how the file transport says that it cannot write
            raise OSError(str(error)) from error


def transport_to(place: str) -> Any:
    """Return the client's transport to a place.

    Raises
    ------
    BadInputError
        If the place is none, or the extra is not installed.
    """
    try:
        from openlineage.client.transport.file import FileConfig, FileTransport
        from openlineage.client.transport.http import (
            ApiKeyTokenProvider,
            HttpConfig,
            HttpTransport,
        )
    except ImportError as error:
        raise BadInputError(
            location="OpenLineage",
            found="openlineage-python is not installed",
            expected="the extra `lineage`",
            action="Install it with: pip install 'torghut-assets[lineage]'",
        ) from error
    parts = _split(place)
    if parts.scheme == "file" and parts.path and not parts.netloc:
        path = Path(parts.path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileTransport(FileConfig(log_file_path=str(path), append=True))
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.password:
        raise BadInputError(
            location=f"place of lineage ({LINEAGE_TO} or --to)",
            found=ascii(shown(place))[:120],
            expected="http(s)://HOST…, without a password, or file:PATH",
        )
    key = os.environ.get(API_KEY)
    config = HttpConfig(url=place, timeout=_SECONDS)
    config.retry = {"total": 0, "read": 0, "connect": 0}  # the next pass is the next try
    if key:
        config.auth = ApiKeyTokenProvider({"api_key": key})
    return HttpTransport(config)


def shown(place: str) -> str:
    """Return a place without anything that could be a secret: no user, password or query."""
    parts = _split(place)
    host = f"//{parts.hostname or ''}" if parts.netloc else ""
    port = f":{parts.port}" if parts.netloc and parts.port else ""
    return f"{parts.scheme}:{host}{port}{parts.path}"


def _split(place: str) -> SplitResult:
    """Return the parts of a URL; nothing at all if it is none."""
    try:
        parts = urlsplit(place)
        _ = parts.port
    except ValueError:
        return urlsplit("")
    return parts
