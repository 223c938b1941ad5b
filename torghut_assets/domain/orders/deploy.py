"""Admission to paper trading: one record that binds a candidate to evidence and settings."""

from collections.abc import Mapping
from dataclasses import dataclass

from torghut_assets.domain.backtest.records import BacktestMetrics, TargetWeights
from torghut_assets.domain.candidates.records import (
    CandidateSpec,
    ParameterValue,
    StrategyBuild,
)
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.orders.policy import PaperPolicy
from torghut_assets.domain.orders.records import Champion, PaperDeployment
from torghut_assets.domain.records import Record


@dataclass(frozen=True)
class DeploymentEvidence:
    """What a deployment rests on; `parameters` are the declared point with its defaults."""

    spec: CandidateSpec
    build: StrategyBuild
    weights: TargetWeights
    metrics: BacktestMetrics
    gate_report_digest: str
    parameters: Mapping[str, ParameterValue]


def deploy(
    evidence: DeploymentEvidence,
    policy: PaperPolicy,
    settings: Mapping[str, Record],
    champion: PaperDeployment | None,
) -> PaperDeployment:
    """Return the deployment of a candidate that passed.

    Parameters
    ----------
    evidence : DeploymentEvidence
        The gate report behind its digest must be a pass; the caller has judged it again.
    policy : PaperPolicy
    settings : mapping of str to Record
        The settings in force by name; their digests bind every session.
    champion : PaperDeployment or None
        What is deployed now, to be beaten and to be restored.

    Raises
    ------
    EvidenceContradictionError
        If the records are not of one evaluation.
    """
    spec, build, weights = evidence.spec, evidence.build, evidence.weights
    metrics = evidence.metrics
    _agree("strategy_build", build.spec_digest, spec.digest)
    _agree("target_weights: specification", weights.inputs.spec_digest, spec.digest)
    _agree("target_weights: build", weights.inputs.build_digest, build.digest)
    _agree("backtest_metrics: target weights", metrics.target_weights_digest, weights.digest)
    for name in ("cost_model", "risk_limits"):
        evaluated = getattr(weights.inputs, f"{name}_digest")
        _agree(f"{name} in force", settings[name].digest, evaluated)
    return PaperDeployment(
        candidate_id=spec.candidate_id,
        snapshot_id=weights.inputs.snapshot_id,
        gate_report_digest=evidence.gate_report_digest,
        candidate_spec_digest=spec.digest,
        strategy_build_digest=build.digest,
        target_weights_digest=weights.digest,
        backtest_metrics_digest=metrics.digest,
        code_digest=build.code_digest,
        strategy_type=spec.strategy.type,
        strategy_version=spec.strategy.version,
        parameters=dict(evidence.parameters),
        universe=spec.universe,
        symbols=weights.symbols,
        mode=policy.mode,
        broker=policy.broker,
        budget_usd=policy.budget_usd,
        champion=(
            Champion(candidate_id=champion.candidate_id, deployment_digest=champion.digest)
            if champion is not None
            else None
        ),
        policies={name: record.digest for name, record in sorted(settings.items())},
    )


def _agree(location: str, found: str, expected: str) -> None:
    if found != expected:
        raise EvidenceContradictionError(location=location, found=found, expected=expected)
