"""What a gate 3 decision may look at: the cost analyses of a window, read with suspicion.

Nothing here trusts that a record was validated. A session that is missing, about something
else, or holds a value that is no number makes every measurement fail, not only its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from torghut_assets.domain.gates.evidence import (
    Problem,
    UnusableEvidenceError,
    attribute,
    items,
    number,
)
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.tca.records import OrderCosts, PaperTca

HIGH_VOLATILITY = "turbulent"
NORMAL_VOLATILITY = ("calm", "normal")


class NotYetMeasuredError(UnusableEvidenceError):
    """The evidence is sound, but there is not enough of it to measure this."""

    def __init__(self, text: str) -> None:
        super().__init__(Problem.NOT_MEASURED, text)


@dataclass(frozen=True)
class PaperGateEvidence:
    """All that one decision rests on.

    Attributes
    ----------
    candidate_id, session : str
        What is decided, and after which session.
    deployment : PaperDeployment or None
        Names the champion.
    expected_sessions : tuple of str
        Every exchange session of the window, oldest first; the last is `session`.
    records, champion_records : mapping of session to PaperTca
        A session that is not in the mapping has no record.
    digests : mapping of str to str
        Digests that a verified reader knows, by subject of the record; others are computed.
    """

    candidate_id: str
    session: str
    deployment: PaperDeployment | None
    expected_sessions: tuple[str, ...]
    records: Mapping[str, PaperTca] = field(default_factory=dict)
    champion_records: Mapping[str, PaperTca] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def deployment_digest(self) -> str | None:
        """Digest of the deployment; `None` if there is none."""
        return self.deployment.digest if type(self.deployment) is PaperDeployment else None

    @cached_property
    def absent(self) -> tuple[str, ...]:
        """Sessions without a sound record, each with what is wrong."""
        faults = []
        for session in self.expected_sessions:
            try:
                _require_sound(self, session)
            except UnusableEvidenceError as error:
                faults.append(f"{session}: {error}")
        return tuple(faults)

    @cached_property
    def window(self) -> tuple[PaperTca, ...]:
        """The records of the window, oldest first, all sound.

        Raises
        ------
        UnusableEvidenceError
            If the deployment or a session is missing, or there is no session at all.
        """
        if type(self.deployment) is not PaperDeployment:
            raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, "there is no paper_deployment")
        if not self.expected_sessions or self.expected_sessions[-1] != self.session:
            raise UnusableEvidenceError(
                Problem.MISSING_EVIDENCE, f"the window does not end with {self.session}"
            )
        if self.absent:
            more = f", and {len(self.absent) - 1} more" if len(self.absent) > 1 else ""
            raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, self.absent[0] + more)
        return tuple(self.records[session] for session in self.expected_sessions)

    @property
    def champion_id(self) -> str | None:
        """The candidate to beat; `None` if the deployment has none."""
        if type(self.deployment) is not PaperDeployment or self.deployment.champion is None:
            return None
        return self.deployment.champion.candidate_id


def _require_sound(evidence: PaperGateEvidence, session: str) -> None:
    """Raise unless the session has a record about this candidate and deployment, whole."""
    record = evidence.records.get(session)
    if record is None:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, "there is no paper_tca")
    if type(record) is not PaperTca:
        raise UnusableEvidenceError(Problem.WRONG_TYPE, f"found a {type(record).__name__}")
    for what, expected in (
        ("candidate_id", evidence.candidate_id),
        ("session", session),
        ("deployment_digest", evidence.deployment_digest),
    ):
        if (found := attribute(record, what)) != expected:
            raise UnusableEvidenceError(
                Problem.MISSING_EVIDENCE, f"{what} is {str(found)[:40]}, expected {expected}"
            )
    rows = items(record, "orders")
    counted = number(record, "unrouted_intents") + len(rows)
    if counted != number(record, "intents"):
        raise UnusableEvidenceError(
            Problem.MISSING_EVIDENCE, f"{counted:g} of {record.intents} intents are accounted for"
        )
    for row in rows:
        _require_row(row)


def _require_row(row: object) -> None:
    """Raise unless an order's row is one, and a filled order has all its costs."""
    if type(row) is not OrderCosts:
        raise UnusableEvidenceError(Problem.WRONG_TYPE, f"an order is a {type(row).__name__}")
    wanted = ["notional_usd", "ordered_shares", "filled_shares", "filled_notional_usd"]
    wanted.append("fill_rate_fraction")
    if number(row, "filled_shares") > 0:
        wanted += ["expected_cost_bps", "realised_cost_bps", "interval_cost_bps"]
    for name in wanted:
        if attribute(row, name) is None:
            raise UnusableEvidenceError(
                Problem.MISSING_EVIDENCE, f"{name} of the order in {row.symbol} is empty"
            )
        number(row, name)


def champion_window(evidence: PaperGateEvidence) -> tuple[PaperTca, ...]:
    """Return the champion's records of the same sessions.

    Raises
    ------
    UnusableEvidenceError
        If one is missing or about something else.
    """
    champion = None if evidence.deployment is None else evidence.deployment.champion
    if champion is None:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, "the deployment has no champion")
    found = []
    for session in evidence.expected_sessions:
        record = evidence.champion_records.get(session)
        wanted = (champion.candidate_id, session, champion.deployment_digest)
        if type(record) is not PaperTca or wanted != (
            record.candidate_id,
            record.session,
            record.deployment_digest,
        ):
            raise UnusableEvidenceError(
                Problem.MISSING_EVIDENCE,
                f"no paper_tca of {champion.candidate_id} as deployed in {session}",
            )
        found.append(record)
    return tuple(found)
