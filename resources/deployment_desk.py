"""The desk where a candidate is admitted to paper trading: receipts first, then its records."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import dagster as dg

from torghut_assets.domain.backtest.records import (
    BacktestMetrics,
    CostModel,
    RiskLimits,
    TargetWeights,
)
from torghut_assets.domain.candidates.grid import declared_parameters
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.errors import StageRefusedError, UpstreamMissingError
from torghut_assets.domain.gates.policy import GatePolicy
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.deploy import DeploymentEvidence, deploy
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.policy import PaperPolicy
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.records import Record
from torghut_assets.domain.stages.conditions import judge
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.receipts import StageReceipt
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record
from torghut_assets.resources.stage_desk import Held, StageDesk, Subject
from torghut_assets.resources.strategy_plugins import load_strategy

RecordT = TypeVar("RecordT", bound=Record)
_GATE: Final = "gate_policy_evaluation"
_NOT_DEPLOYABLE: Final = frozenset(
    {"research_intake", "candidate_build", "backtest_robustness", "rollback_incident"}
)
_DECIDED_AGAIN: Final = ("decision_repeats_from_its_evidence", "gate_passed")


class DeploymentDesk:
    """Admits candidates of one home. `read` holds the digests of what was looked at, by asset."""

    def __init__(self, home: Home, instance: dg.DagsterInstance, held: Mapping[str, Held]) -> None:
        self._home = home
        self._instance = instance
        self._held = held
        self._stages = StageDesk(home, held)
        self.read: dict[str, str] = {}

    def admit(self, candidate_id: str) -> PaperDeployment:
        """Return the deployment of a candidate on its newest decision, decided again.

        Raises
        ------
        StageRefusedError
            If the candidate's newest gate decision is not a pass, or was overtaken.
        EvidenceError
            If a record is missing, altered, or not of one evaluation.
        """
        snapshot = passed_snapshot(candidate_id, self._stages.of(candidate_id))
        evaluation = f"{candidate_id}|{snapshot}"
        policy = self._current("paper_policy", PaperPolicy, None)
        report = self._current("gate_report", GateReport, evaluation)
        evidence = self._stages.evidence(self._instance, Subject(candidate_id, snapshot))
        for condition in _DECIDED_AGAIN:
            finding = judge(condition, evidence)
            if finding.outcome is not Outcome.PASS:
                raise StageRefusedError(
                    f"{candidate_id}: {condition} is {finding.outcome.value}, {finding.detail}. "
                    "Only a candidate whose decision repeats as a pass is deployed."
                )
        settings: dict[str, Record] = {
            "gate_policy": self._current("gate_policy", GatePolicy, None),
            "cost_model": self._current("cost_model", CostModel, None),
            "risk_limits": self._current("risk_limits", RiskLimits, None),
            "order_limits": self._current("order_limits", OrderLimits, None),
            "paper_policy": policy,
        }
        spec = self._current("candidate_spec", CandidateSpec, candidate_id)
        plugin = load_strategy(spec.strategy.type, spec.strategy.version).strategy
        return deploy(
            DeploymentEvidence(
                spec=spec,
                build=self._current("strategy_build", StrategyBuild, candidate_id),
                weights=self._current("target_weights", TargetWeights, evaluation),
                metrics=self._current("backtest_metrics", BacktestMetrics, evaluation),
                gate_report_digest=report.digest,
                parameters=declared_parameters(spec, plugin.parameters_type).model_dump(),
            ),
            policy,
            settings,
            self._champion(policy, candidate_id),
        )

    def _champion(self, policy: PaperPolicy, candidate_id: str) -> PaperDeployment | None:
        if policy.champion is None or policy.champion == candidate_id:
            return None
        return self._current("paper_deployment", PaperDeployment, policy.champion)

    def _current(self, name: str, model: type[RecordT], partition: str | None) -> RecordT:
        """Return the current record of an asset, verified, and note its digest."""
        found = current_record(
            self._instance, self._home.store, model, dg.AssetKey(name), partition
        )
        if found is None:
            candidate, _, snapshot = (partition or "").partition("|")
            command = self._held[name].command.format(candidate=candidate, snapshot=snapshot)
            raise UpstreamMissingError(asset=name, partition=partition, command=command)
        self.read[name] = found.digest
        return found


def passed_snapshot(candidate_id: str, receipts: Sequence[StageReceipt]) -> str:
    """Return the snapshot of a candidate's newest gate decision, which must be a pass in force.

    Raises
    ------
    StageRefusedError
        If there is none, it is not a pass, or the candidate went back since.
    """
    decided = [r for r in receipts if r.decision.stage == _GATE]
    newest = max(decided, key=lambda r: r.sequence, default=None)
    if newest is None or newest.outcome is not Outcome.PASS:
        found = "no gate decision" if newest is None else f"the outcome {newest.outcome.value}"
        raise StageRefusedError(
            f"{candidate_id}: found {found} in its receipts, expected a pass. Evaluate it with: "
            f"torghut run {candidate_id} --snapshot <universe>@<as-of date>"
        )
    last = max(receipts, key=lambda r: r.sequence)
    if last.decision.to_stage in _NOT_DEPLOYABLE or newest.decision.snapshot_id is None:
        raise StageRefusedError(
            f"{candidate_id}: stands at {last.decision.to_stage} since receipt {last.sequence}, "
            "so its last pass is no longer in force. Evaluate it again."
        )
    return newest.decision.snapshot_id
