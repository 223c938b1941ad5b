"""What the report page of a pack may show: records as plain data, and typed where they decide."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from torghut_assets.domain.audit.manifest import HeldRecord
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.backtest.trials import RegisterEntry, TrialTicket
from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.evidence.approval_records import Approval
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.evidence.retention_records import TOMBSTONE, Tombstone
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.ramp.records import RampStage
from torghut_assets.domain.records import Record
from torghut_assets.domain.rollback.records import IncidentReport
from torghut_assets.domain.stages.receipts import StageReceipt
from torghut_assets.domain.tca.records import PaperTca

RecordT = TypeVar("RecordT", bound=Record)


@dataclass(frozen=True)
class PageEvidence:
    """All that one page is drawn from; the same evidence gives the same page.

    Attributes
    ----------
    subject : mapping
        `candidate`, `snapshot`, `session`.
    records : mapping of digest to plain data
    path : mapping of digest to (day, net return) pairs
        The decided path by the digest of its table.
    """

    subject: Mapping[str, str | None]
    held: tuple[HeldRecord, ...]
    records: Mapping[str, Mapping[str, Any]]
    receipts: tuple[StageReceipt, ...]
    entries: tuple[LedgerEntry, ...]
    trials: tuple[RegisterEntry, ...]
    path: Mapping[str, tuple[tuple[str, float], ...]]

    @cached_property
    def _by_asset(self) -> dict[str, HeldRecord]:
        return {item.asset: item for item in self.held}

    def current(self, asset: str, model: type[RecordT]) -> RecordT | None:
        """Return the record that an asset holds; `None` if it holds none."""
        item = self._by_asset.get(asset)
        if item is None or item.digest not in self.records:
            return None
        payload = canonical_json(self.records[item.digest])
        return model.from_canonical_bytes(payload, location=asset)

    @property
    def gate_report(self) -> GateReport | None:
        """The decision on the backtest."""
        return self.current("gate_report", GateReport)

    @property
    def paper_gate_report(self) -> PaperGateReport | None:
        """The decision after paper trading."""
        return self.current("paper_gate_report", PaperGateReport)

    @property
    def drift_report(self) -> DriftReport | None:
        """Whether it still behaves as its evidence says."""
        return self.current("drift_report", DriftReport)

    @property
    def ramp_stages(self) -> tuple[RampStage, ...]:
        """On which level of capital it is, and what stands before the next."""
        found = (self.current(name, RampStage) for name in ("ramp_stage_1", "ramp_stage_2_plus"))
        return tuple(stage for stage in found if stage is not None)

    @property
    def incident(self) -> IncidentReport | None:
        """Why it was taken back, if it was."""
        return self.current("incident_report", IncidentReport)

    @property
    def overfit(self) -> OverfitDiagnostics | None:
        """How likely the result is luck."""
        return self.current("overfit_diagnostics", OverfitDiagnostics)

    @property
    def metrics(self) -> BacktestMetrics | None:
        """The backtest."""
        return self.current("backtest_metrics", BacktestMetrics)

    @property
    def decided_path(self) -> tuple[tuple[str, float], ...]:
        """Days and net returns of the out-of-sample path; empty if it is not in the pack."""
        metrics = self.metrics
        return () if metrics is None else self.path.get(metrics.path_frame_digest, ())

    def costs(self) -> Iterator[PaperTca]:
        """Return the cost analyses of the candidate's sessions, oldest first."""
        found = [
            PaperTca.from_canonical_bytes(canonical_json(data), location="paper_tca")
            for data in self.records.values()
            if data["kind"] == PaperTca.record_kind
            and data["record"]["candidate_id"] == self.subject["candidate"]
        ]
        yield from sorted(found, key=lambda tca: tca.session)

    def own_receipts(self) -> tuple[StageReceipt, ...]:
        """Return the receipts of the candidate, oldest first."""
        candidate = self.subject["candidate"]
        return tuple(r for r in self.receipts if r.decision.candidate_id == candidate)

    def own_tickets(self) -> tuple[TrialTicket, ...]:
        """Return the trial tickets of the candidate, oldest first."""
        return tuple(
            e
            for e in self.trials
            if isinstance(e, TrialTicket)
            and e.trial.inputs.candidate_id == self.subject["candidate"]
        )

    def approvals(self) -> Iterator[tuple[LedgerEntry, Approval]]:
        """Return the approvals in the pack with their entries; not those of a retention plan."""
        for entry in self.entries:
            if entry.kind == "approval":
                where = f"ledger entry {entry.sequence}"
                approval = entry.statement.record(Approval, location=where)
                if approval.decision.kind != "retention":
                    yield entry, approval

    def removed(self) -> Iterator[tuple[int, Tombstone]]:
        """Return the tombstones in the pack with the number of their entries."""
        for entry in self.entries:
            if entry.kind == TOMBSTONE:
                where = f"ledger entry {entry.sequence}"
                yield entry.sequence, entry.statement.record(Tombstone, location=where)
