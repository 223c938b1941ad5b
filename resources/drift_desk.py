"""The desk where drift is measured: reads what was deployed, what happened and what is expected.

It reads records and real bars, never a broker. Reference and sessions are kept for the life of
the process under the digests of what they were computed from.
"""

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

import dagster as dg

from torghut_assets.domain.backtest.records import BacktestMetrics, RiskLimits
from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceError,
    StatisticsInputError,
)
from torghut_assets.domain.orders.records import OrderIntents, PaperDeployment, PaperFills
from torghut_assets.domain.snapshots.calendar import load_sessions
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import read_record
from torghut_assets.resources.session_history import SessionHistory

if TYPE_CHECKING:
    from torghut_assets.domain.drift.history import DriftEvidence, SessionFacts
    from torghut_assets.domain.drift.policy import DriftPolicy
    from torghut_assets.domain.drift.records import EvidenceRef, SessionRef
    from torghut_assets.domain.drift.reference import DriftReference

_INTENTS = dg.AssetKey("order_intents")
_FILLS = dg.AssetKey("paper_fills")
_TCA = dg.AssetKey("paper_tca")
_REPORT = dg.AssetKey("drift_report")
CALENDAR = "XNYS"


class Standards(NamedTuple):
    """What a deployment is judged by: the policy and the risk limits in force."""

    policy: "DriftPolicy"
    risk_limits: RiskLimits


class DriftDesk:
    """Puts together the evidence of drift reports of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self.history = SessionHistory(home.store)
        self._references: dict[tuple[str, str], DriftReference] = {}

    def evidence(
        self,
        instance: dg.DagsterInstance,
        deployment: PaperDeployment,
        session: str,
        standards: Standards,
    ) -> "DriftEvidence":
        """Return the evidence on a deployment through one session.

        Bad or missing evidence is left out of it, never raised: the report names it.
        """
        from torghut_assets.domain.drift.history import DriftEvidence
        from torghut_assets.domain.drift.records import EvidenceRef

        inputs = [
            EvidenceRef(name="paper_deployment", digest=deployment.digest, problem=None),
            EvidenceRef(name="risk_limits", digest=standards.risk_limits.digest, problem=None),
        ]
        facts = self._facts(instance, deployment, session)
        expected = expected_sessions(min((*facts, session)), session) if facts else ()
        if usable := facts.get(session):
            inputs += _session_inputs(usable.refs)
        return DriftEvidence(
            candidate_id=deployment.candidate_id,
            session=session,
            deployment=deployment,
            expected=expected,
            facts={s: f for s, f in facts.items() if f is not None},
            previous=self._previous(instance, deployment, expected),
            decision_age_sessions=_age(usable.decided_on, session) if usable else None,
            reference=self._reference(deployment, standards.policy, inputs),
            gross_limit_fraction=standards.risk_limits.max_gross_fraction,
            position_limit_fraction=standards.risk_limits.max_symbol_fraction,
            inputs=tuple(inputs),
        )

    def _facts(
        self, instance: dg.DagsterInstance, deployment: PaperDeployment, session: str
    ) -> "dict[str, SessionFacts | None]":
        """Sessions of this deployment up to `session`; `None` where records are not usable."""
        candidate = deployment.candidate_id
        intents = self.history.sessions(instance, _INTENTS, candidate)
        fills = self.history.sessions(instance, _FILLS, candidate)
        tca = self.history.sessions(instance, _TCA, candidate)
        found: dict[str, SessionFacts | None] = {}
        for day in sorted(intents.keys() | fills.keys() | tca.keys()):
            if day > session:
                continue
            digests = (intents.get(day, ""), fills.get(day, ""), tca.get(day, ""))
            try:
                if facts := self._facts_of(deployment, day, digests):
                    found[day] = facts
            except (EvidenceError, BadInputError):
                found[day] = None
        self.history.forget_records()
        return found

    def _facts_of(
        self, deployment: PaperDeployment, session: str, digests: tuple[str, str, str]
    ) -> "SessionFacts | None":
        """Facts of one session; `None` if another deployment of the candidate traded it."""
        from torghut_assets.domain.drift.history import session_facts

        subject = f"{deployment.candidate_id}|{session}"

        def make() -> "SessionFacts | None":
            intents = self.history.record(OrderIntents, digests[0], subject)
            if intents.deployment_digest != deployment.digest:
                return None
            fills = self.history.record(PaperFills, digests[1], subject)
            tca = self.history.record(PaperTca, digests[2], subject)
            return session_facts(intents, fills, tca, deployment)

        return self.history.facts((deployment.digest, *digests), make)

    def _previous(
        self, instance: dg.DagsterInstance, deployment: PaperDeployment, expected: tuple[str, ...]
    ) -> "tuple[SessionRef, ...] | None":
        from torghut_assets.domain.drift.records import DriftReport

        if len(expected) < 2:
            return None
        reports = self.history.sessions(instance, _REPORT, deployment.candidate_id)
        digest = reports.get(expected[-2])
        if digest is None:
            return None
        try:
            subject = f"{deployment.candidate_id}|{expected[-2]}"
            return self.history.record(DriftReport, digest, subject).window
        except EvidenceError:
            return None

    def _reference(
        self, deployment: PaperDeployment, policy: "DriftPolicy", inputs: "list[EvidenceRef]"
    ) -> "DriftReference | None":
        """Return the reference, made once per deployment and policy; note what it rests on."""
        from torghut_assets.domain.drift.records import EvidenceRef
        from torghut_assets.domain.drift.reference import require_same_backtest
        from torghut_assets.resources.drift_reference import read_reference

        key = (deployment.digest, policy.digest)
        problem: str | None = None
        if key not in self._references:
            try:
                metrics = read_record(
                    self._home.store,
                    BacktestMetrics,
                    deployment.backtest_metrics_digest,
                    location="backtest_metrics",
                    subject=f"{deployment.candidate_id}|{deployment.snapshot_id}",
                )
                require_same_backtest(metrics, deployment)
                self._references[key] = read_reference(
                    self._home.store, metrics, policy, deployment.symbols
                )
            except (EvidenceError, StatisticsInputError) as error:
                problem = str(error)[:300]
        inputs += [
            EvidenceRef(
                name="backtest_metrics", digest=deployment.backtest_metrics_digest, problem=problem
            ),
            EvidenceRef(
                name="target_weights", digest=deployment.target_weights_digest, problem=problem
            ),
        ]
        return self._references.get(key)


def expected_sessions(first: str, last: str) -> tuple[str, ...]:
    """Sessions of the exchange from `first` through `last`; both count if it was closed."""
    one, other = dt.date.fromisoformat(first), dt.date.fromisoformat(last)
    calendar = load_sessions(CALENDAR, dt.date(one.year, 1, 1), dt.date(other.year, 12, 31))
    days = (str(day) for day in calendar.dates.astype("datetime64[D]"))
    return tuple(sorted({*(d for d in days if first <= d <= last), first, last}))


def sessions_after(session: str, count: int) -> tuple[str, ...]:
    """Return the next `count` sessions of the exchange after `session`."""
    day = dt.date.fromisoformat(session)
    calendar = load_sessions(CALENDAR, dt.date(day.year, 1, 1), dt.date(day.year + 1, 2, 15))
    days = [str(d) for d in calendar.dates.astype("datetime64[D]")]
    return tuple([d for d in days if d > session][:count])


def _age(decided_on: str, session: str) -> int:
    one, other = dt.date.fromisoformat(decided_on), dt.date.fromisoformat(session)
    first = min(one, other)
    calendar = load_sessions(
        CALENDAR, dt.date(first.year, 1, 1), dt.date(max(one, other).year, 12, 31)
    )
    return calendar.between(one, other) if one <= other else -1


def _session_inputs(refs: "SessionRef") -> "list[EvidenceRef]":
    from torghut_assets.domain.drift.records import EvidenceRef

    named = (
        ("order_intents", refs.intents_digest),
        ("paper_fills", refs.fills_digest),
        ("paper_tca", refs.tca_digest),
    )
    return [EvidenceRef(name=name, digest=digest, problem=None) for name, digest in named]
