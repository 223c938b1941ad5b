"""Gate reports: one deterministic verdict per evaluation, and the feedback of a refusal."""

from collections.abc import Iterator

import dagster as dg

from torghut_assets.assets.partitions import EVALUATIONS
from torghut_assets.assets.tables import rounded, table
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
from torghut_assets.domain.backtest.trial_claims import ticket_behind
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.feedback import ResearchFeedback, research_feedback_for
from torghut_assets.domain.gates.markdown import render_markdown
from torghut_assets.domain.gates.policy import GatePolicy
from torghut_assets.domain.gates.publication import publication, utc_text
from torghut_assets.domain.gates.records import GateReport, GateResult, LimitResult
from torghut_assets.domain.identifiers import parse_evaluation_key
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.evaluation_desk import EvaluationDesk
from torghut_assets.resources.home import Home
from torghut_assets.resources.reports import publish_report
from torghut_assets.version import __version__

_GATE_CODE = code_digest("domain/gates", "domain/records.py", "domain/digests.py")
CODE_VERSION = f"{__version__}+{_GATE_CODE[:12]}"
"""Version and code digest that a gate names as having decided."""


_BOUND = {"at_least": "≥", "at_most": "≤"}


def _failures_first(report: GateReport) -> list[tuple[GateResult, LimitResult]]:
    """Every limit with its gate; those that were not kept stand on top."""
    limits = [(gate, limit) for gate in report.gates for limit in gate.limits]
    return sorted(limits, key=lambda pair: pair[1].verdict is Verdict.PASS)


@dg.asset(
    partitions_def=EVALUATIONS,
    group_name="gate_policy_evaluation",
    owners=["team:governance"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_GATE_CODE[:16],
)
def gate_report(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    desk: dg.ResourceParam[EvaluationDesk],
    candidate_spec: CandidateSpec,
    strategy_build: StrategyBuild,
    dataset_snapshot: SnapshotManifest,
    cost_model: CostModel,
    risk_limits: RiskLimits,
    evaluation_settings: EvaluationSettings,
    trial_policy: TrialPolicy,
    target_weights: TargetWeights,
    backtest_metrics: BacktestMetrics,
    stress_metrics: StressMetrics,
    overfit_diagnostics: OverfitDiagnostics,
    reproducibility_manifest: ReproducibilityManifest,
    gate_policy: GatePolicy,
) -> dg.MaterializeResult[GateReport]:
    """The decision: every limit of the policy next to its measurement, and why."""
    key = parse_evaluation_key(str(context.partition_key))
    evidence = GateEvidence(
        candidate_id=key.candidate_id,
        snapshot_id=key.snapshot_id,
        candidate_spec=candidate_spec,
        strategy_build=strategy_build,
        dataset_snapshot=dataset_snapshot,
        cost_model=cost_model,
        risk_limits=risk_limits,
        evaluation_settings=evaluation_settings,
        trial_policy=trial_policy,
        target_weights=target_weights,
        backtest_metrics=backtest_metrics,
        stress_metrics=stress_metrics,
        overfit_diagnostics=overfit_diagnostics,
        reproducibility_manifest=reproducibility_manifest,
    )
    ticket = ticket_behind(desk.register(trial_policy).entries(), backtest_metrics)
    report = evaluate_gates(evidence, gate_policy, code_version=CODE_VERSION)
    evaluated_at = utc_now()
    document = publication(report, evaluated_at)
    markdown = render_markdown(report, evaluated_at, evidence)
    page = publish_report(home, report, document, markdown)
    return dg.MaterializeResult(
        value=report,
        data_version=dg.DataVersion(report.digest),
        metadata={
            "verdict": report.verdict.value,
            "beyond_paper": report.beyond_paper_verdict.value,
            "limits": table(
                {
                    "status": limit.status,
                    "limit": limit.name,
                    "measured": rounded(limit.measured, 4),
                    "allowed": f"{_BOUND[limit.bound]} {limit.limit:g}",
                    "unit": limit.unit,
                    "gate": gate.gate_id.partition("_")[0],
                }
                for gate, limit in _failures_first(report)
            ),
            "reasons": table(
                {"code": reason.code, "what": reason.text} for reason in report.reasons
            ),
            "trial_ticket": ticket.sequence,
            "page": dg.MetadataValue.path(str(page)),
            "report": dg.MetadataValue.md(markdown),
            "evaluated_at": utc_text(evaluated_at),
        },
    )


@dg.asset(
    partitions_def=EVALUATIONS,
    group_name="gate_policy_evaluation",
    owners=["team:research"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_GATE_CODE[:16],
    output_required=False,
)
def research_feedback(
    context: dg.AssetExecutionContext,
    candidate_spec: CandidateSpec,
    strategy_build: StrategyBuild,
    dataset_snapshot: SnapshotManifest,
    backtest_metrics: BacktestMetrics,
    stress_metrics: StressMetrics,
    gate_report: GateReport,
) -> Iterator[dg.MaterializeResult[ResearchFeedback]]:
    """What a refusal teaches, by reason class; made only when the gate did not pass."""
    if gate_report.verdict is Verdict.PASS:
        context.log.info("the gate passed: there is nothing to feed back")
        return
    evidence = GateEvidence(
        candidate_id=gate_report.candidate_id,
        snapshot_id=gate_report.snapshot_id,
        candidate_spec=candidate_spec,
        strategy_build=strategy_build,
        dataset_snapshot=dataset_snapshot,
        backtest_metrics=backtest_metrics,
        stress_metrics=stress_metrics,
    )
    feedback = research_feedback_for(gate_report, evidence)
    yield dg.MaterializeResult(
        value=feedback,
        data_version=dg.DataVersion(feedback.digest),
        metadata={
            "reason_classes": ", ".join(feedback.reason_classes),
            "feedback": dg.MetadataValue.json(feedback.model_dump(mode="json")),
        },
    )
