"""The desk where the ramp is decided: puts the evidence together, and grants what may be granted.

A grant is one act: with the ledger held against every other writer, the approvals are judged as of
now, both gates are judged with them, and the signed statement that uses them up is appended. What
was granted before is found in the ledger and returned again, so that a run that was killed is
followed by one that ends the same. It reads records and the ledger, never a broker.
"""

import datetime as dt
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import dagster as dg

from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.errors import BadInputError, EvidenceError, TorghutError
from torghut_assets.domain.evidence.dsse import IN_TOTO, Envelope, sealed
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.keys import KeyRing
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.statement import statement_about
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment, PaperFills
from torghut_assets.domain.ramp.approving import Approvals, approvals_for, approvers_of
from torghut_assets.domain.ramp.chain import artifacts_named
from torghut_assets.domain.ramp.drills import DrillReport, RunbookExecution
from torghut_assets.domain.ramp.evaluate import has_step, judge_readiness, ramp_stage, ready
from torghut_assets.domain.ramp.evidence import Operations, RampCase, RampEvidence
from torghut_assets.domain.ramp.manifest import manifest_bytes
from torghut_assets.domain.ramp.policy import (
    FIRST_STAGE,
    SECOND_STAGE,
    RampPolicy,
    RampStageName,
)
from torghut_assets.domain.ramp.records import RampGrant, RampRequest, RampStage, ReadinessGate
from torghut_assets.domain.ramp.request import ramp_request
from torghut_assets.domain.records import Record
from torghut_assets.resources.candidate_files import read_candidate
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home
from torghut_assets.resources.key_ring import KeyFolder
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.lineage import RecordT, read_record
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.paper_gate_desk import exchange_sessions
from torghut_assets.resources.session_history import SessionHistory
from torghut_assets.resources.strategy_plugins import load_strategy

_DRIFT: Final = dg.AssetKey("drift_report")
_FILLS: Final = dg.AssetKey("paper_fills")
_RAMP: Final = "ramp"
_RECORD_START: Final = b'{"kind":"'


class Presented(NamedTuple):
    """The records that a ramp asset was given."""

    deployment: PaperDeployment
    paper_gate_report: PaperGateReport
    order_limits: OrderLimits
    policy: RampPolicy


class StepNotGrantedError(EvidenceError):
    """Between looking and granting something changed; nothing was written."""

    def __init__(self, gates: Iterable[ReadinessGate]) -> None:
        self.reasons = tuple(reason for gate in gates for reason in gate.reasons)
        super().__init__("; ".join(f"{r.code} {r.text}" for r in self.reasons) or "no approval")


@dataclass(frozen=True)
class _Known:
    """The ledger as it was checked, or why it was not."""

    entries: tuple[LedgerEntry, ...] | None
    ring: KeyRing
    faults: tuple[str, ...]


class RampDesk:
    """Decides the ramp of one home's candidates."""

    def __init__(
        self,
        home: Home,
        clock: Callable[[], dt.datetime] = utc_now,
    ) -> None:
        self._home = home
        self._clock = clock
        self._ledger = Ledger(home, clock)
        self._journal = OrderJournal(home, clock)
        self._history = SessionHistory(home.store)

    def decide(
        self,
        instance: dg.DagsterInstance,
        session: str,
        stage: RampStageName,
        given: Presented,
    ) -> RampStage:
        """Return what a session leaves behind on the ramp, and grant a step if one may be taken.

        Raises
        ------
        EvidenceError
            If nobody can say on which level the candidate is.
        """
        known = self._look()
        evidence = self.evidence(instance, session, stage, given, known)
        if (earlier := _granted_in(evidence, session, stage)) is not None:
            return self._again(evidence, given, stage, earlier)
        if not has_step(evidence, given.policy, stage):
            return ramp_stage(RampCase(evidence, None), given.policy, stage, (), None)
        case = self._case(evidence, given.policy, stage, known)
        gates = judge_readiness(case, given.policy)
        granted = None
        if ready(gates) and case.request is not None:
            granted = self._grant(case, given)
            gates = granted.gates
        return ramp_stage(case, given.policy, stage, gates, granted)

    def request(
        self, instance: dg.DagsterInstance, session: str, stage: RampStageName, given: Presented
    ) -> tuple[RampRequest | None, tuple[ReadinessGate, ...], tuple[str, ...]]:
        """Return the step to be reviewed, kept in the store, and what the gates say today.

        Returns
        -------
        tuple of (RampRequest or None, tuple of ReadinessGate, tuple of str)
            The last says why there is no request.
        """
        known = self._look()
        evidence = self.evidence(instance, session, stage, given, known)
        case = self._case(evidence, given.policy, stage, known)
        if case.request is not None:
            self._home.store.put(case.request.canonical_bytes())
            self._home.store.put(given.policy.canonical_bytes())
        return case.request, judge_readiness(case, given.policy), case.refusals

    def grant_of(self, candidate_id: str, session: str | None = None) -> RampGrant | None:
        """Return the newest grant of a candidate, or that of a session; `None` if there is none."""
        found = [
            grant
            for grant in _grants(self._ledger.checked().entries)
            if grant.candidate_id == candidate_id and session in (None, grant.session)
        ]
        return found[-1] if found else None

    def grant_with_manifest(self, digest: str) -> RampGrant | None:
        """Return the grant whose manifest has these bytes; `None` if the ledger has none."""
        grants = _grants(self._ledger.checked().entries)
        return next((g for g in grants if g.manifest_digest == digest), None)

    def approvers_of(self, grant: RampGrant) -> tuple[str, ...]:
        """Return who approved a grant, after the ledger was asked about each again.

        Raises
        ------
        EvidenceError
            If the request is not in the store, or an approval does not count any more.
        """
        checked = self._ledger.checked()
        (request,) = self._requests((grant.request_digest,))
        return approvers_of(checked.entries, checked.ring, grant, request)

    def stage_of(self, given: Presented) -> RampStageName:
        """Return the stage whose turn it is: the first until its level was granted."""
        grants = _grants_of(self._look(), given.deployment)
        return SECOND_STAGE if grants else FIRST_STAGE

    def evidence(
        self,
        instance: dg.DagsterInstance,
        session: str,
        stage: RampStageName,
        given: Presented,
        known: _Known | None = None,
    ) -> RampEvidence:
        """Return everything that a ramp decision may look at. What is bad is left out of it."""
        known = known or self._look()
        deployment, candidate = given.deployment, given.deployment.candidate_id
        fills = self._of_deployment(instance, deployment)
        newest = max([session, *fills])
        drift = self._sound(instance, _DRIFT, DriftReport, candidate)
        gate = self._stored(
            GateReport,
            deployment.gate_report_digest,
            f"{candidate}|{deployment.snapshot_id}",
        )
        roots = [deployment.digest, given.paper_gate_report.digest, given.order_limits.digest]
        roots += [drift[session].digest] if session in drift else []
        return RampEvidence(
            candidate_id=candidate,
            session=session,
            stage=stage,
            now=self._clock(),
            authors=self._authors(candidate),
            deployment=deployment,
            gate_report=gate,
            paper_gate_report=given.paper_gate_report,
            order_limits=given.order_limits,
            sessions=exchange_sessions(min(fills), newest) if fills else (),
            drift=drift,
            fills=fills,
            grants=_grants_of(known, deployment),
            in_force=self._in_force(deployment),
            unresolved=self._unresolved(roots),
            operations=self._operations(known),
        )

    def _case(
        self, evidence: RampEvidence, policy: RampPolicy, stage: RampStageName, known: _Known
    ) -> RampCase:
        request, refusals = ramp_request(evidence, policy, stage)
        if request is None or known.entries is None:
            return RampCase(evidence, request, refusals)
        approvals = approvals_for(known.entries, known.ring, request.decision, evidence.now)
        instead = () if approvals.accepted else self._requests(approvals.of_others[-1:])
        return RampCase(evidence, request, refusals, approvals, instead)

    def _grant(self, case: RampCase, given: Presented) -> RampGrant:
        """Judge once more as the only writer, sign, append; return what was granted."""
        made: list[RampGrant] = []
        keys = KeyFolder(self._home)

        def seal(prefix: LedgerPrefix, at: dt.datetime) -> Envelope:
            known = _Known(tuple(prefix.entries), prefix.ring, ())
            evidence = replace(
                case.evidence,
                now=at,
                grants=_grants_of(known, given.deployment),
                operations=replace(
                    case.evidence.operations,
                    drills=_drills(prefix.entries),
                    runbooks=_runbooks(prefix.entries, prefix.ring),
                ),
            )
            now = self._case(evidence, given.policy, case.evidence.stage, known)
            gates = judge_readiness(now, given.policy)
            if not ready(gates) or now.request is None or now.approvals is None:
                raise StepNotGrantedError(gates)
            grant = self._write(now.request, now.approvals, gates, given, at)
            key = keys.machine_key("gate", {k.key_id for k in prefix.ring.active("gate")})
            if key is None:
                raise BadInputError(
                    location="gate key", found="none that counts is here", expected="one"
                )
            made.append(grant)
            statement = statement_about(_RAMP, grant.subjects, grant)
            return sealed(IN_TOTO, statement.canonical_bytes(), key.sign)

        self._ledger.append_sealed(seal, uses="gate")
        return made[-1]

    def _write(
        self,
        request: RampRequest,
        approvals: Approvals,
        gates: tuple[ReadinessGate, ...],
        given: Presented,
        at: dt.datetime,
    ) -> RampGrant:
        """Keep manifest, request and grant before the ledger says that there is one."""
        store = self._home.store
        manifest = store.put(manifest_bytes(request, given.deployment, approvals.accepted))
        grant = RampGrant(
            candidate_id=request.candidate_id,
            session=request.session,
            stage=request.stage,
            level_from=request.level_from,
            level_to=request.level_to,
            notional_before_usd=request.notional_before_usd,
            notional_after_usd=request.notional_after_usd,
            limit_card=request.limit_card,
            deployment_digest=given.deployment.digest,
            policy_digest=given.policy.digest,
            request_digest=request.digest,
            manifest_digest=manifest,
            gates=gates,
            approvals=approvals.accepted,
            granted_at=at,
        )
        for record in (request, given.policy, grant):
            store.put(record.canonical_bytes())
        return grant

    def _again(
        self,
        evidence: RampEvidence,
        given: Presented,
        stage: RampStageName,
        earlier: RampGrant,
    ) -> RampStage:
        """Return the record of a step that this session took already, as it was taken."""
        then = replace(
            evidence,
            now=earlier.granted_at,
            grants=tuple(g for g in evidence.grants or () if g.session < earlier.session),
            sessions=tuple(day for day in evidence.sessions if day <= earlier.session),
        )
        case = RampCase(then, self._requests((earlier.request_digest,))[0])
        return ramp_stage(case, given.policy, stage, earlier.gates, earlier)

    def _look(self) -> _Known:
        try:
            checked = self._ledger.checked()
        except (EvidenceError, OSError) as error:
            return _Known(None, KeyRing(), (" ".join(str(error).split())[:300],))
        return _Known(tuple(checked.entries), checked.ring, ())

    def _operations(self, known: _Known) -> Operations:
        try:
            self._journal.ledger()
            journal: tuple[str, ...] = ()
        except (TorghutError, OSError) as error:
            journal = (" ".join(str(error).split())[:300],)
        faults = list(known.faults)
        try:
            if known.entries:
                self._ledger.verify()
        except (EvidenceError, OSError) as error:
            faults.append(" ".join(str(error).split())[:300])
        entries = known.entries
        return Operations(
            drills=None if entries is None else _drills(entries),
            runbooks=None if entries is None else _runbooks(entries, known.ring),
            journal_faults=journal,
            ledger_faults=tuple(faults),
        )

    def _in_force(self, deployment: PaperDeployment) -> dict[str, str] | None:
        """Digests of what would be deployed now: the installed plugin and the settings."""
        try:
            found = {name: r.digest for name, r in settings_in_force(self._home).items()}
            plugin = load_strategy(deployment.strategy_type, deployment.strategy_version)
        except (TorghutError, OSError):
            return None
        return {"code": plugin.code_digest, **found}

    def _authors(self, candidate: str) -> tuple[str, ...]:
        try:
            payload = read_candidate(self._home, candidate)
            return (parse_candidate_spec(payload, location=f"{candidate}.yaml").author,)
        except (EvidenceError, BadInputError):
            return ()

    def _of_deployment(
        self, instance: dg.DagsterInstance, deployment: PaperDeployment
    ) -> dict[str, PaperFills]:
        fills = self._sound(instance, _FILLS, PaperFills, deployment.candidate_id)
        return {s: f for s, f in fills.items() if f.deployment_digest == deployment.digest}

    def _sound(
        self, instance: dg.DagsterInstance, key: dg.AssetKey, model: type[RecordT], candidate: str
    ) -> dict[str, RecordT]:
        """Records of a candidate's sessions that can be read; the others are left out."""
        found = {}
        for session, digest in self._history.sessions(instance, key, candidate).items():
            try:
                found[session] = self._history.record(model, digest, f"{candidate}|{session}")
            except EvidenceError:
                continue
        return found

    def _stored(self, model: type[RecordT], digest: str, subject: str) -> RecordT | None:
        try:
            return read_record(
                self._home.store, model, digest, location=f"{subject} {digest}", subject=subject
            )
        except EvidenceError:
            return None

    def _requests(self, digests: Sequence[str]) -> tuple[RampRequest, ...]:
        """Read requests that persons approved; one that is not there is an error."""
        return tuple(
            RampRequest.from_canonical_bytes(
                self._home.store.get(digest), location=f"ramp request {digest}"
            )
            for digest in digests
        )

    def _unresolved(self, roots: Sequence[str]) -> tuple[str, ...]:
        """Follow every digest down from some records; return those that do not resolve."""
        wrong: list[str] = []
        front, seen = [("decision", digest) for digest in roots], set(roots)
        while front:
            field, digest = front.pop()
            try:
                below = self._below(digest)
            except EvidenceError as error:
                wrong.append(f"{field}: {' '.join(str(error).split())[:200]}")
                continue
            for name, other in below:
                if other not in seen:
                    seen.add(other)
                    front.append((name, other))
        return tuple(sorted(wrong))

    def _below(self, digest: str) -> list[tuple[str, str]]:
        """Return what an artifact names, after its bytes were verified now."""
        payload = self._home.store.get(digest)
        if not payload.startswith(_RECORD_START):
            return []
        document = json.loads(payload)
        return list(artifacts_named(document["record"]))


def settings_in_force(home: Home) -> dict[str, Record]:
    """Return the settings that a deployment is bound to, as their files are now.

    Raises
    ------
    BadInputError
        If a file cannot be parsed.
    """
    from torghut_assets.domain.backtest.settings import parse_cost_model, parse_risk_limits
    from torghut_assets.domain.gates.policy import parse_gate_policy
    from torghut_assets.domain.orders.limits import parse_order_limits
    from torghut_assets.domain.orders.policy import parse_paper_policy

    parsers: dict[str, Callable[[bytes], Record]] = {
        "cost_model": parse_cost_model,
        "gate_policy": parse_gate_policy,
        "order_limits": parse_order_limits,
        "paper_policy": parse_paper_policy,
        "risk_limits": parse_risk_limits,
    }
    return {name: parse(home.config_path(name).read_bytes()) for name, parse in parsers.items()}


def drills_and_runbooks(
    home: Home,
) -> tuple[tuple[DrillReport, ...], tuple[RunbookExecution, ...]]:
    """Return every drill and every runbook execution that counts, in the order of the ledger.

    Raises
    ------
    EvidenceRefusedError
        If the ledger is not whole.
    """
    checked = Ledger(home).checked()
    return _drills(checked.entries), _runbooks(checked.entries, checked.ring)


def _drills(entries: Iterable[LedgerEntry]) -> tuple[DrillReport, ...]:
    return tuple(
        e.statement.record(DrillReport, location=f"entry {e.sequence}")
        for e in entries
        if e.kind == "drill"
    )


def _runbooks(entries: Iterable[LedgerEntry], ring: KeyRing) -> tuple[RunbookExecution, ...]:
    """Executions signed with a key that counts today, by whoever the record names."""
    found = []
    for entry in entries:
        if entry.kind != "runbook":
            continue
        record = entry.statement.record(RunbookExecution, location=f"entry {entry.sequence}")
        signers = [ring.get(key_id) for key_id in entry.envelope.key_ids]
        if any(k is not None and k.is_active and k.owner == record.executed_by for k in signers):
            found.append(record)
    return tuple(found)


def _grants(entries: Iterable[LedgerEntry]) -> tuple[RampGrant, ...]:
    return tuple(
        e.statement.record(RampGrant, location=f"entry {e.sequence}")
        for e in entries
        if e.kind == _RAMP and e.statement.predicate.kind == RampGrant.record_kind
    )


def _grants_of(known: _Known, deployment: PaperDeployment) -> tuple[RampGrant, ...] | None:
    if known.entries is None:
        return None
    return tuple(g for g in _grants(known.entries) if g.deployment_digest == deployment.digest)


def _granted_in(evidence: RampEvidence, session: str, stage: RampStageName) -> RampGrant | None:
    found = [g for g in evidence.grants or () if (g.session, g.stage) == (session, stage)]
    return found[-1] if found else None
