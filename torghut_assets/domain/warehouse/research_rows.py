"""Rows of research: candidates, builds, backtests, overfitting statistics, gate decisions.

`None` means not measured or not defined, as in the records; verdicts, margins and reasons are
those that the records derive.
"""

import datetime as dt
from collections.abc import Iterator

from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.records import Digest
from torghut_assets.domain.warehouse.evidence_rows import Origin, Row


class MadeRow(Row):
    """What every row that was read from a record begins with."""

    is_current: bool


class CandidateRow(MadeRow):
    """One specification of a candidate."""

    candidate_id: str
    title: str
    author: str
    universe: str
    strategy_type: str
    strategy_version: str
    parent: str | None
    grid_points: int
    declared_outside_trials: int


class StrategyBuildRow(MadeRow):
    """One build of a candidate's plugin."""

    candidate_id: str
    spec_digest: Digest
    strategy_code_digest: Digest
    verdict: str
    failed_tests: int


class BacktestRow(MadeRow):
    """One walk-forward evaluation, out of sample and net of costs."""

    candidate_id: str
    snapshot_id: str
    spec_digest: Digest
    build_digest: Digest
    manifest_digest: Digest
    target_weights_digest: Digest
    grid_points: int
    bars: int
    sharpe_annual: float | None
    annual_return_fraction: float | None
    annual_volatility_fraction: float | None
    max_drawdown_fraction: float
    turnover_annual: float
    cost_annual_fraction: float
    capacity_usd: float | None


class OverfitRow(MadeRow):
    """Overfitting statistics of one evaluation, with the trials that they count."""

    candidate_id: str
    snapshot_id: str
    backtest_digest: Digest
    trials_raw: int
    trials_effective: float | None
    trials_declared_outside: int
    trial_register_head: Digest
    psr: float | None
    dsr: float | None
    pbo: float | None
    reality_check_p: float | None
    spa_p_consistent: float | None


class GateReportRow(MadeRow):
    """One decision of a gate: on an evaluation, or on a window of paper sessions."""

    asset: str
    candidate_id: str
    snapshot_id: str | None
    session: dt.date | None
    verdict: str
    beyond_paper_verdict: str | None
    policy_version: str
    policy_digest: Digest
    limits: int
    failed_limits: int
    blocking_reasons: int
    backtest_metrics_digest: Digest | None
    overfit_diagnostics_digest: Digest | None
    dataset_snapshot_digest: Digest | None
    deployment_digest: Digest | None


class GateLimitRow(MadeRow):
    """One limit of a gate decision next to its measurement, both in `unit`."""

    asset: str
    candidate_id: str
    snapshot_id: str | None
    session: dt.date | None
    position: int
    gate_id: str
    limit_name: str
    measurement: str
    bound: str
    limit_value: float
    unit: str
    is_required_for_verdict: bool
    measured: float | None
    low: float | None
    high: float | None
    margin: float | None
    problem: str | None
    verdict: str
    reason_class: str
    reason_code: str | None
    reason: str | None


def candidate_rows(record: CandidateSpec, origin: Origin) -> Iterator[CandidateRow]:
    """Yield the row of a specification."""
    yield CandidateRow(
        digest=origin.digest,
        ledger_sequence=origin.sequence,
        is_current=origin.is_current,
        candidate_id=record.candidate_id,
        title=record.title,
        author=record.author,
        universe=record.universe,
        strategy_type=record.strategy.type,
        strategy_version=record.strategy.version,
        parent=record.parent,
        grid_points=record.grid_points,
        declared_outside_trials=record.declared_outside_trials,
    )


def strategy_build_rows(record: StrategyBuild, origin: Origin) -> Iterator[StrategyBuildRow]:
    """Yield the row of a build."""
    yield StrategyBuildRow(
        digest=origin.digest,
        ledger_sequence=origin.sequence,
        is_current=origin.is_current,
        candidate_id=record.candidate_id,
        spec_digest=record.spec_digest,
        strategy_code_digest=record.code_digest,
        verdict=record.verdict.value,
        failed_tests=sum(result.verdict.value != "pass" for result in record.results),
    )


def backtest_rows(record: BacktestMetrics, origin: Origin) -> Iterator[BacktestRow]:
    """Yield the row of an evaluation."""
    inputs, path = record.inputs, record.out_of_sample
    yield BacktestRow(
        digest=origin.digest,
        ledger_sequence=origin.sequence,
        is_current=origin.is_current,
        candidate_id=inputs.candidate_id,
        snapshot_id=inputs.snapshot_id,
        spec_digest=inputs.spec_digest,
        build_digest=inputs.build_digest,
        manifest_digest=inputs.manifest_digest,
        target_weights_digest=record.target_weights_digest,
        grid_points=record.grid_points,
        bars=path.n_bars,
        sharpe_annual=path.sharpe_annual,
        annual_return_fraction=path.annual_return_fraction,
        annual_volatility_fraction=path.annual_volatility_fraction,
        max_drawdown_fraction=path.max_drawdown_fraction,
        turnover_annual=path.turnover_annual,
        cost_annual_fraction=path.cost_annual_fraction,
        capacity_usd=record.capacity_usd,
    )


def overfit_rows(record: OverfitDiagnostics, origin: Origin) -> Iterator[OverfitRow]:
    """Yield the row of an evaluation's overfitting statistics."""
    yield OverfitRow(
        digest=origin.digest,
        ledger_sequence=origin.sequence,
        is_current=origin.is_current,
        candidate_id=record.inputs.candidate_id,
        snapshot_id=record.inputs.snapshot_id,
        backtest_digest=record.backtest_digest,
        trials_raw=record.trials_raw,
        trials_effective=record.trials_effective,
        trials_declared_outside=record.trials_declared_outside,
        trial_register_head=record.trial_register_head,
        psr=record.psr,
        dsr=record.dsr,
        pbo=record.pbo,
        reality_check_p=record.reality_check_p,
        spa_p_consistent=record.spa_p_consistent,
    )


def gate_report_rows(
    record: GateReport | PaperGateReport, origin: Origin
) -> Iterator[GateReportRow]:
    """Yield the row of a gate's decision."""
    paper = record if isinstance(record, PaperGateReport) else None
    evaluated = None if isinstance(record, PaperGateReport) else record
    inputs = {ref.name: ref.digest for ref in evaluated.inputs} if evaluated else {}
    verdicts = [limit.verdict for limit in paper.limits] if paper else []
    if evaluated:
        verdicts = [limit.verdict for gate in evaluated.gates for limit in gate.limits]
    yield GateReportRow(
        digest=origin.digest,
        ledger_sequence=origin.sequence,
        is_current=origin.is_current,
        asset=origin.asset,
        candidate_id=record.candidate_id,
        snapshot_id=evaluated.snapshot_id if evaluated else None,
        session=dt.date.fromisoformat(paper.session) if paper else None,
        verdict=record.verdict.value,
        beyond_paper_verdict=evaluated.beyond_paper_verdict.value if evaluated else None,
        policy_version=record.policy_version,
        policy_digest=record.policy_digest,
        limits=len(verdicts),
        failed_limits=sum(verdict.value != "pass" for verdict in verdicts),
        blocking_reasons=len(evaluated.blocking_reasons if evaluated else record.reasons),
        backtest_metrics_digest=inputs.get("backtest_metrics"),
        overfit_diagnostics_digest=inputs.get("overfit_diagnostics"),
        dataset_snapshot_digest=inputs.get("dataset_snapshot"),
        deployment_digest=paper.deployment_digest if paper else None,
    )


def gate_limit_rows(record: GateReport | PaperGateReport, origin: Origin) -> Iterator[GateLimitRow]:
    """Yield one row for each limit of a gate's decision, in its order."""
    if isinstance(record, PaperGateReport):
        yield from _paper_limit_rows(record, origin)
        return
    results = [(gate.gate_id, result) for gate in record.gates for result in gate.limits]
    for position, (gate_id, result) in enumerate(results, start=1):
        yield GateLimitRow(
            digest=origin.digest,
            ledger_sequence=origin.sequence,
            is_current=origin.is_current,
            asset=origin.asset,
            candidate_id=record.candidate_id,
            snapshot_id=record.snapshot_id,
            session=None,
            position=position,
            gate_id=gate_id,
            limit_name=result.name,
            measurement=result.measurement,
            bound=result.bound,
            limit_value=result.limit,
            unit=result.unit,
            is_required_for_verdict=result.required_for == "paper",
            measured=result.measured,
            low=None,
            high=None,
            margin=result.margin,
            problem=result.problem.value if result.problem else None,
            verdict=result.verdict.value,
            reason_class=result.reason_class,
            reason_code=result.reason.code if result.reason else None,
            reason=result.reason.text if result.reason else None,
        )


def _paper_limit_rows(record: PaperGateReport, origin: Origin) -> Iterator[GateLimitRow]:
    for position, result in enumerate(record.limits, start=1):
        yield GateLimitRow(
            digest=origin.digest,
            ledger_sequence=origin.sequence,
            is_current=origin.is_current,
            asset=origin.asset,
            candidate_id=record.candidate_id,
            snapshot_id=None,
            session=dt.date.fromisoformat(record.session),
            position=position,
            gate_id=record.gate_id,
            limit_name=result.measurement,
            measurement=result.measurement,
            bound=result.bound,
            limit_value=result.limit,
            unit=result.unit,
            is_required_for_verdict=True,
            measured=result.measured,
            low=result.low,
            high=result.high,
            margin=None,
            problem=result.problem.value if result.problem else None,
            verdict=result.verdict.value,
            reason_class=result.reason_class,
            reason_code=result.reason.code if result.reason else None,
            reason=result.reason.text if result.reason else None,
        )
