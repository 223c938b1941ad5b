"""The partition dimensions. Keys are parsed by `domain/identifiers` before they get here."""

import dagster as dg

CANDIDATES = dg.DynamicPartitionsDefinition(name="candidate")
"""One key per submitted candidate id."""

SNAPSHOTS = dg.DynamicPartitionsDefinition(name="snapshot")
"""One key per dataset snapshot, `<universe>@<as-of date>`."""

EVALUATIONS = dg.MultiPartitionsDefinition({"candidate": CANDIDATES, "snapshot": SNAPSHOTS})
"""One candidate on one snapshot, written `<candidate>|<snapshot>`."""

SESSIONS = dg.DynamicPartitionsDefinition(name="session")
"""One key per exchange trading day that was opened for paper trading, `YYYY-MM-DD`."""

CANDIDATE_SESSIONS = dg.MultiPartitionsDefinition({"candidate": CANDIDATES, "session": SESSIONS})
"""One candidate in one session, written `<candidate>|<YYYY-MM-DD>`."""
