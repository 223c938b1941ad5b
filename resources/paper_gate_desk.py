"""The desk of gate 3: which sessions the window has, and their verified records.

It reads records only; no broker is in its reach. A record that is missing, altered or about
something else is left out, and the gate names its session as missing.
"""

import datetime as dt
from typing import Final

import dagster as dg

from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.gates.paper_evidence import PaperGateEvidence
from torghut_assets.domain.gates.paper_policy import PaperGatePolicy
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.snapshots.calendar import load_sessions
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.resources.home import Home
from torghut_assets.resources.session_history import SessionHistory

_TCA: Final = dg.AssetKey("paper_tca")
_CALENDAR: Final = "XNYS"


class PaperGateDesk:
    """Puts together the evidence of gate 3 for one home."""

    def __init__(self, home: Home) -> None:
        self._history = SessionHistory(home.store)

    def evidence(
        self,
        instance: dg.DagsterInstance,
        deployment: PaperDeployment,
        current: PaperTca,
        policy: PaperGatePolicy,
    ) -> PaperGateEvidence:
        """Return the window that ends with a session.

        Parameters
        ----------
        instance : DagsterInstance
        deployment : PaperDeployment
        current : PaperTca
            Of the session that is decided on, as it was just read.
        policy : PaperGatePolicy
        """
        candidate, session = deployment.candidate_id, current.session
        found, digests = self._sessions(instance, candidate, session)
        found[session] = current
        own = [day for day, tca in found.items() if tca.deployment_digest == deployment.digest]
        expected = exchange_sessions(min(own, default=session), session)
        expected = expected[-policy.max_window_sessions :]
        champion: dict[str, PaperTca] = {}
        if deployment.champion is not None:
            name = deployment.champion.candidate_id
            champion, more = self._sessions(instance, name, session)
            digests |= more
        return PaperGateEvidence(
            candidate_id=candidate,
            session=session,
            deployment=deployment,
            expected_sessions=expected,
            records={day: found[day] for day in expected if day in found},
            champion_records={day: champion[day] for day in expected if day in champion},
            digests=digests,
        )

    def window(
        self, instance: dg.DagsterInstance, candidate_id: str, first: str, last: str
    ) -> tuple[PaperTca, ...]:
        """Return the records of a candidate's sessions from `first` through `last`, in order.

        Raises
        ------
        EvidenceError
            If a record is missing from the store, altered, or about something else.
        """
        return tuple(
            self._history.record(PaperTca, digest, f"{candidate_id}|{day}")
            for day, digest in self._history.sessions(instance, _TCA, candidate_id).items()
            if first <= day <= last
        )

    def _sessions(
        self, instance: dg.DagsterInstance, candidate_id: str, last: str
    ) -> tuple[dict[str, PaperTca], dict[str, str]]:
        """Sound records up to a session, and their digests by subject."""
        found: dict[str, PaperTca] = {}
        digests: dict[str, str] = {}
        for day, digest in self._history.sessions(instance, _TCA, candidate_id).items():
            subject = f"{candidate_id}|{day}"
            if day > last:
                break
            try:
                found[day] = self._history.record(PaperTca, digest, subject)
            except EvidenceError:
                continue
            digests[subject] = digest
        return found, digests


def exchange_sessions(first: str, last: str) -> tuple[str, ...]:
    """Trading days from `first` through `last`; both count, whatever the calendar says."""
    one, other = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    calendar = load_sessions(_CALENDAR, dt.date(one.year, 1, 1), dt.date(other.year, 12, 31))
    days = {str(day) for day in calendar.dates.astype("datetime64[D]")}
    return tuple(sorted({day for day in days if first <= day <= last} | {first, last}))
