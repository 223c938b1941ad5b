"""What every asset holds, and the command that makes it.

The one table that the I/O manager, the checks, the jobs and the commands agree on. It does not
load Dagster, so that questions to the evidence need not.
"""

from typing import Final, Literal, NamedTuple

from torghut_assets.domain.audit.controls import ControlEvidenceMap
from torghut_assets.domain.audit.retention_policy import RetentionPolicy
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import (
    BacktestMetrics,
    CostModel,
    EvaluationSettings,
    ReproducibilityManifest,
    RiskLimits,
    StressMetrics,
    TargetWeights,
)
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.drift.policy import DriftPolicy
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.gates.feedback import ResearchFeedback
from torghut_assets.domain.gates.paper_policy import PaperGatePolicy
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.policy import GatePolicy
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.policy import PaperPolicy
from torghut_assets.domain.orders.records import (
    OrderIntents,
    PaperDeployment,
    PaperFills,
    PaperOrders,
)
from torghut_assets.domain.ramp.policy import RampPolicy
from torghut_assets.domain.ramp.records import RampStage
from torghut_assets.domain.records import Record
from torghut_assets.domain.rollback.records import (
    IncidentReport,
    RollbackPlan,
    RollbackReceipt,
)
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.domain.stages.config import PipelineConfig
from torghut_assets.domain.tca.records import PaperTca

_SETTLE = "dagster job execute -m torghut_assets.definitions -j settle_policies"
_BUILD = "torghut run {candidate} --through strategy_build"
_SNAPSHOT = "torghut snapshot take {universe} --as-of {as_of}"
_EVALUATE = "torghut run {candidate} --snapshot {snapshot} --through "
_DEPLOY = "torghut session deploy {candidate}"
_SESSION = "torghut session run {candidate} --session {session}"
_RAMP = "torghut ramp advance {candidate} --session {session}"
_ROLL_BACK = "torghut session roll-back {candidate} --session {session}"
_MAP = "dagster job execute -m torghut_assets.definitions -j map_controls"


class Made(NamedTuple):
    """What an asset holds and the command that makes it."""

    record_type: type[Record]
    command: str

    @property
    def dimension(self) -> Literal["none", "candidate", "snapshot", "evaluation", "session"]:
        """What the asset is partitioned by, which is what its command must be told."""
        if "{session}" in self.command:
            return "session"
        if "{snapshot}" in self.command:
            return "evaluation"
        if "{candidate}" in self.command:
            return "candidate"
        return "snapshot" if "{universe}" in self.command else "none"

    def turn(self, partition: str) -> str:
        """Return what one process at a time does: a partition, or a candidate's sessions."""
        doing = self.command.partition("{")[0].strip()
        about = partition.partition("|")[0] if self.dimension == "session" else partition
        return f"{doing} {about}"


ASSETS: Final[dict[str, Made]] = {
    "pipeline_config": Made(PipelineConfig, _SETTLE),
    "gate_policy": Made(GatePolicy, _SETTLE),
    "cost_model": Made(CostModel, _SETTLE),
    "risk_limits": Made(RiskLimits, _SETTLE),
    "evaluation_settings": Made(EvaluationSettings, _SETTLE),
    "trial_policy": Made(TrialPolicy, _SETTLE),
    "order_limits": Made(OrderLimits, _SETTLE),
    "paper_policy": Made(PaperPolicy, _SETTLE),
    "candidate_spec": Made(CandidateSpec, _BUILD),
    "strategy_build": Made(StrategyBuild, _BUILD),
    "dataset_snapshot": Made(SnapshotManifest, _SNAPSHOT),
    "target_weights": Made(TargetWeights, _EVALUATE + "target_weights"),
    "backtest_metrics": Made(BacktestMetrics, _EVALUATE + "backtest_metrics"),
    "stress_metrics": Made(StressMetrics, _EVALUATE + "stress_metrics"),
    "overfit_diagnostics": Made(OverfitDiagnostics, _EVALUATE + "overfit_diagnostics"),
    "reproducibility_manifest": Made(
        ReproducibilityManifest, _EVALUATE + "reproducibility_manifest"
    ),
    "gate_report": Made(GateReport, _EVALUATE + "gate_report"),
    "research_feedback": Made(ResearchFeedback, _EVALUATE + "research_feedback"),
    "paper_deployment": Made(PaperDeployment, _DEPLOY),
    "order_intents": Made(OrderIntents, _SESSION),
    "paper_orders": Made(PaperOrders, _SESSION),
    "paper_fills": Made(PaperFills, _SESSION),
    "paper_gate_policy": Made(PaperGatePolicy, _SETTLE),
    "paper_tca": Made(PaperTca, _SESSION),
    "paper_gate_report": Made(PaperGateReport, _SESSION),
    "drift_policy": Made(DriftPolicy, _SETTLE),
    "drift_report": Made(DriftReport, _SESSION),
    "rollback_plan": Made(RollbackPlan, _ROLL_BACK),
    "rollback_receipt": Made(RollbackReceipt, _ROLL_BACK),
    "incident_report": Made(IncidentReport, _ROLL_BACK),
    "ramp_policy": Made(RampPolicy, _SETTLE),
    "ramp_stage_1": Made(RampStage, _RAMP),
    "ramp_stage_2_plus": Made(RampStage, _RAMP),
}

AUDITED: Final[dict[str, Made]] = {
    "retention_policy": Made(RetentionPolicy, _SETTLE),
    "control_evidence_map": Made(ControlEvidenceMap, _MAP),
}
"""What no decision reads: about evidence, kept apart from `ASSETS`, which decisions are made of."""
