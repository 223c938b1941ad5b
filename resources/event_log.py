"""Structured log: one JSON object per line for what happened, if a setting asks for it.

`TORGHUT_EVENT_LOG` names a file that lines are appended to, or `-` for standard error. A line has
`time`, `event`, and what is known of `run_id`, `asset`, `partition`, `candidate`, `session`, and
the event's own fields: digests, numbers, names. Free text from outside, keys, addresses and
credentials never get in: only fields of `_FIELDS` do, and each is cut.

The log informs; nothing reads it back. If it cannot be written, work goes on.
"""

import json
import os
import sys
from contextlib import suppress
from typing import Final

from torghut_assets.resources.clock import utc_now

EVENT_LOG: Final = "TORGHUT_EVENT_LOG"
_LONGEST: Final = 200
_FIELDS: Final = frozenset(
    {
        "run_id",
        "asset",
        "partition",
        "candidate",
        "session",
        "stage",
        "outcome",
        "to_stage",
        "digest",
        "kind",
        "sequence",
        "order_key",
        "order_event",
        "cause",
        "error",
        "exit_status",
    }
)
"""What a line may hold besides time and event. docs/observability.md is written from it."""

EVENTS: Final = {
    "record_stored": "A record was made and stated: asset, partition, digest, run.",
    "statement_appended": "The ledger has a new entry: its number and kind.",
    "stage_decided": "A stage was decided: candidate, outcome, where it leads.",
    "order_noted": "Something happened to an order: its key and event.",
    "kill_engaged": "A latch of the kill switch was written.",
    "refused": "A command ended in a refusal: the kind of error and the exit status.",
}
"""Every event, and when it is written."""


def log_event(event: str, **fields: str | int | None) -> None:
    """Write one line, if the setting asks for it.

    Parameters
    ----------
    event : str
        One of `EVENTS`.
    **fields : str, int or None
        Names of `_FIELDS`; `None` is left out.

    Raises
    ------
    KeyError
        If the event or a field is not declared here.
    """
    place = os.environ.get(EVENT_LOG)
    if not place:
        return
    if event not in EVENTS or (unknown := set(fields) - _FIELDS):
        raise KeyError(event if event not in EVENTS else sorted(unknown)[0])
    candidate = fields.get("candidate")
    if candidate is None and isinstance(partition := fields.get("partition"), str):
        first = partition.partition("|")[0]
        fields["candidate"] = first if "@" not in first else None
    shown = {
        name: value[:_LONGEST] if isinstance(value, str) else value
        for name, value in sorted(fields.items())
        if value is not None
    }
    line = json.dumps({"time": f"{utc_now():%Y-%m-%dT%H:%M:%SZ}", "event": event, **shown})
    with suppress(OSError):
        if place == "-":
            print(line, file=sys.stderr, flush=True)
            return
        handle = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            os.write(handle, line.encode("utf-8") + b"\n")  # one write: lines never mix
        finally:
            os.close(handle)
