"""The desk where stages are decided: reads the evidence, guards assets, writes receipts.

One set of condition functions serves all: `guard` before an asset is made, `examine` for a
person who asks, `settle` for the receipts. Checks and metadata of Dagster are never read.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final, Literal, NamedTuple

import dagster as dg

from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyReference
from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceContradictionError,
    EvidenceError,
    StageRefusedError,
    UpstreamMissingError,
)
from torghut_assets.domain.evidence.approvals import approvals_of_kind
from torghut_assets.domain.gates.feedback import ResearchFeedback
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.ramp.approving import approvers_of
from torghut_assets.domain.ramp.records import RampGrant, RampRequest
from torghut_assets.domain.records import Record
from torghut_assets.domain.rollback.records import IncidentReport
from torghut_assets.domain.stages.conditions import examine, judge
from torghut_assets.domain.stages.config import PipelineConfig
from torghut_assets.domain.stages.evidence import Finding, Outcome, StageEvidence
from torghut_assets.domain.stages.line import LineState, lifted_by
from torghut_assets.domain.stages.loader import load_pipeline
from torghut_assets.domain.stages.machine import (
    decide,
    follow,
    is_about_a_snapshot,
    line_state,
    require_active,
    stand,
    walk,
    what_to_append,
)
from torghut_assets.domain.stages.receipts import StageDecision, StageReceipt
from torghut_assets.resources.candidate_files import read_candidate
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.home import Home
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.lineage import current_record
from torghut_assets.resources.receipt_book import Plan, ReceiptBook
from torghut_assets.resources.statement_desk import StatementDesk
from torghut_assets.resources.strategy_plugins import load_strategy

Dimension = Literal["none", "candidate", "snapshot", "evaluation", "session"]
_CITABLE: Final[tuple[type[Record], ...]] = (ResearchFeedback, GateReport, IncidentReport)
_GATE: Final = "gate_policy_evaluation"


class Held(NamedTuple):
    """What an asset holds, what it is partitioned by, and the command that makes it."""

    record_type: type[Record]
    dimension: Dimension
    command: str


class Subject(NamedTuple):
    """What evidence is about: a candidate, a snapshot or none, a session or none."""

    candidate: str
    snapshot: str | None
    session: str | None = None


class StageReader:
    """Reads the evidence on one candidate from a home, verified. See `EvidenceReader`."""

    def __init__(
        self,
        home: Home,
        instance: dg.DagsterInstance,
        held: Mapping[str, Held],
        subject: Subject,
        line: Callable[[str | None], LineState],
    ) -> None:
        self._home = home
        self._instance = instance
        self._held = held
        self._subject = subject
        self._line = line

    def record(self, name: str) -> Record:
        """Return the current record of an asset for this candidate and snapshot."""
        held = self._held[name]
        partition = self._partition(name, held.dimension)
        found = current_record(
            self._instance, self._home.store, held.record_type, dg.AssetKey(name), partition
        )
        if found is None:
            universe, _, as_of = (self._subject.snapshot or "").partition("@")
            command = held.command.format(**self._subject._asdict(), universe=universe, as_of=as_of)
            raise UpstreamMissingError(asset=name, partition=partition, command=command)
        return found

    def _partition(self, name: str, dimension: Dimension) -> str | None:
        candidate, snapshot, session = self._subject
        if dimension == "none":
            return None
        if dimension == "candidate":
            return candidate
        if dimension == "session":
            if session is None:
                raise EvidenceError(f"{name}: no session was named; add --session <YYYY-MM-DD>.")
            return f"{candidate}|{session}"
        if snapshot is None:
            raise EvidenceError(f"{name}: no snapshot was named; add --snapshot <universe>@<date>.")
        return snapshot if dimension == "snapshot" else f"{candidate}|{snapshot}"

    def submission(self) -> CandidateSpec:
        """Return what the submitted file says now."""
        candidate = self._subject.candidate
        payload = read_candidate(self._home, candidate)
        return parse_candidate_spec(payload, location=f"{candidate}.yaml")

    def plugin_code_digest(self, strategy: StrategyReference) -> str:
        """Return the digest of the plugin's code as it is installed now."""
        return load_strategy(strategy.type, strategy.version).code_digest

    def cited(self, digest: str) -> Record:
        """Return a feedback or gate report by digest, intact."""
        payload = self._home.store.get(digest)
        for model in _CITABLE:
            if f'"kind":"{model.record_kind}"'.encode() in payload[:80]:
                return model.from_canonical_bytes(payload, location=f"cited {digest}")
        raise EvidenceContradictionError(
            location=f"cited {digest}", found="another record", expected="feedback or a gate report"
        )

    def line(self, parent: str | None) -> LineState:
        """Return what the receipts say about the candidate's line."""
        return self._line(parent)

    def kill_reason(self) -> str | None:
        """Return why all orders are blocked for the candidate; `None` if they are not."""
        found = KillSwitch(self._home).reading(self._subject.candidate)
        return None if found.state == "clear" else found.detail

    def ramp_approvers(self, grant: RampGrant) -> tuple[str, ...]:
        """Return who approved a step of the ramp, by the signed ledger."""
        location = f"ramp request {grant.request_digest}"
        payload = self._home.store.get(grant.request_digest)
        request = RampRequest.from_canonical_bytes(payload, location=location)
        ledger = Ledger(self._home).checked()
        return approvers_of(ledger.entries, ledger.ring, grant, request)


class StageDesk:
    """Decides the stages of one home's candidates.

    Parameters
    ----------
    home : Home
    held : mapping of str to Held
        Every asset by name.
    """

    def __init__(self, home: Home, held: Mapping[str, Held]) -> None:
        self._home = home
        self._held = held
        self.book = ReceiptBook(home)
        self.ledger = Ledger(home)
        self.statements = StatementDesk(home, self.ledger)

    @cached_property
    def pipeline(self) -> PipelineConfig:
        """The pipeline in force, read once per process."""
        return load_pipeline(self._home.config_path("pipeline").read_bytes())

    def evidence(
        self,
        instance: dg.DagsterInstance,
        subject: Subject,
        receipts: tuple[StageReceipt, ...] | None = None,
    ) -> StageEvidence:
        """Return the evidence on a candidate, read when it is asked for."""

        def line(parent: str | None) -> LineState:
            known = self.book.receipts() if receipts is None else receipts
            return self.line_of(subject.candidate, parent, known)

        reader = StageReader(self._home, instance, self._held, subject, line)
        return StageEvidence(subject.candidate, subject.snapshot, reader, subject.session)

    def line_of(
        self, candidate_id: str, parent: str | None, receipts: tuple[StageReceipt, ...]
    ) -> LineState:
        """Return what receipts and signed approvals say about a candidate's line.

        The ledger is read only if the receipts freeze the line.

        Raises
        ------
        EvidenceError
            If the line would be frozen and the ledger, or a member's file, is not whole.
        """
        line = line_state(receipts, candidate_id, parent, self.pipeline.freeze)
        if not line.is_frozen:
            return line
        ledger = self.ledger.checked()
        approvals = approvals_of_kind(ledger.entries, "unfreeze", ledger.ring)
        return lifted_by(line, approvals, lambda member: self.submission_of(member).author)

    def submission_of(self, candidate_id: str) -> CandidateSpec:
        """Return what a candidate's submitted file says."""
        payload = read_candidate(self._home, candidate_id)
        return parse_candidate_spec(payload, location=f"{candidate_id}.yaml")

    def guard(self, instance: dg.DagsterInstance, asset: str, partition: str | None) -> None:
        """Refuse to make an asset of a stage unless every precondition of the stage holds.

        Raises
        ------
        StageRefusedError
            If a precondition does not hold, or the stage is not active.
        EvidenceError, BadInputError
            If the evidence for a precondition is missing or altered.
        """
        stage = self.pipeline.stage_of_asset(asset)
        if stage is None or asset in stage.prepares:
            return
        require_active(self.pipeline, stage.name)
        receipts = self.book.receipts()
        subject = self._subject_of(asset, partition, receipts)
        if stage.deployed:
            self._require_deployed(asset, subject.candidate, receipts)
        evidence = self.evidence(instance, subject, receipts)
        for name in stage.conditions_before(asset):
            finding = judge(name, evidence)
            if finding.outcome is not Outcome.PASS:
                raise StageRefusedError(
                    f"{asset} of {partition}: {stage.name} requires {name}, found "
                    f"{finding.outcome.value}: {finding.detail}. See `torghut stage validate "
                    f"{stage.name} --candidate {subject.candidate}`."
                )

    def _subject_of(
        self, asset: str, partition: str | None, receipts: tuple[StageReceipt, ...]
    ) -> Subject:
        """Return what the partition of an asset is about."""
        candidate, _, other = (partition or "").partition("|")
        admitted_on = self.admitted_on(candidate, receipts)
        if self._held[asset].dimension == "session":
            return Subject(candidate, admitted_on, other)
        return Subject(candidate, other or admitted_on)

    def admitted_on(
        self, candidate_id: str, receipts: tuple[StageReceipt, ...] | None = None
    ) -> str | None:
        """Return the snapshot on which the candidate last passed its gate, by its receipts."""
        for receipt in reversed(self.of(candidate_id, receipts)):
            if receipt.decision.stage == _GATE and receipt.outcome is Outcome.PASS:
                return receipt.decision.snapshot_id
        return None

    def _require_deployed(
        self, asset: str, candidate_id: str, receipts: tuple[StageReceipt, ...]
    ) -> None:
        """Refuse to trade for a candidate whose receipts do not say that it is deployed."""
        standing = stand(self.pipeline, self.of(candidate_id, receipts))
        if not self.pipeline.stage(standing.stage).deployed:
            raise StageRefusedError(
                f"{asset} of {candidate_id}: it stands at {standing.stage}, which is not deployed. "
                f"See `torghut stage status {candidate_id}`."
            )

    def examine(
        self,
        instance: dg.DagsterInstance,
        stage_name: str,
        subject: Subject,
    ) -> dict[str, tuple[Finding, ...]]:
        """Return what the conditions of a stage find now, by side; nothing is written.

        The sides are `requires`, `guards.<asset>` and `ensures`.

        Raises
        ------
        StageRefusedError
            If the stage is not active.
        BadInputError
            If the stage is about a snapshot and none is named.
        """
        stage = require_active(self.pipeline, stage_name)
        if stage.is_about_a_session:
            if subject.session is None:
                raise BadInputError(
                    location="--session", found="nothing", expected=f"a session, for {stage_name}"
                )
            subject = subject._replace(snapshot=self.admitted_on(subject.candidate))
        elif subject.snapshot is None and is_about_a_snapshot(self.pipeline, stage):
            raise BadInputError(
                location="--snapshot", found="nothing", expected=f"a snapshot, for {stage_name}"
            )
        evidence = self.evidence(instance, subject)
        sides = {"requires": stage.requires}
        sides |= {f"guards.{asset}": named for asset, named in stage.guards.items()}
        sides["ensures"] = stage.ensures
        return {side: examine(named, evidence) for side, named in sides.items()}

    def settle(
        self,
        instance: dg.DagsterInstance,
        candidate_id: str,
        snapshot_id: str | None,
        through: str,
    ) -> tuple[StageReceipt, ...]:
        """Decide the stages of a candidate through `through` and append what is new.

        Returns
        -------
        tuple of StageReceipt
            What was appended; empty if the receipts said so already.
        """
        require_active(self.pipeline, through)

        def plan(receipts: tuple[StageReceipt, ...]) -> tuple[StageDecision, ...]:
            evidence = self.evidence(instance, Subject(candidate_id, snapshot_id), receipts)
            planned = walk(
                self.pipeline,
                through,
                lambda stage: decide(self.pipeline, stage, evidence, code_digest("domain")),
            )
            return what_to_append(self.pipeline, self.of(candidate_id, receipts), planned)

        return self._append(plan)

    def settle_session(
        self, instance: dg.DagsterInstance, candidate_id: str, session: str
    ) -> tuple[StageReceipt, ...]:
        """Decide the stages of a deployed candidate after a session and append what is new.

        Returns
        -------
        tuple of StageReceipt
            What was appended; empty if the receipts said so already, or if the candidate does
            not stand at a stage that sessions decide.
        """

        def plan(receipts: tuple[StageReceipt, ...]) -> tuple[StageDecision, ...]:
            own = self.of(candidate_id, receipts)
            subject = Subject(candidate_id, self.admitted_on(candidate_id, receipts), session)
            evidence = self.evidence(instance, subject, receipts)
            return follow(
                self.pipeline,
                own,
                lambda stage: decide(self.pipeline, stage, evidence, code_digest("domain")),
            )

        return self._append(plan)

    def _append(self, plan: Plan) -> tuple[StageReceipt, ...]:
        """Write receipts, and the statement that names them.

        Receipts of a process that was killed between both are named by the next one, here or
        with the next record, or by `torghut audit reconcile --heal`.
        """
        self._home.store.put(self.pipeline.canonical_bytes())
        appended = self.book.append(plan)
        self.statements.catch_up()
        return appended

    def of(
        self, candidate_id: str, receipts: tuple[StageReceipt, ...] | None = None
    ) -> tuple[StageReceipt, ...]:
        """Return the receipts of one candidate."""
        known = self.book.receipts() if receipts is None else receipts
        return tuple(r for r in known if r.decision.candidate_id == candidate_id)
