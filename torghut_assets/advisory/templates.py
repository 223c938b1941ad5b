"""Notes from the records by a template: what is written when no model is asked.

Every number in them is read from a record. There is no judgement in them, and no proposal.
"""

from collections.abc import Iterator

from torghut_assets.advisory.forms import ReviewFinding, ReviewForm, SummaryForm
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.candidates.records import CandidateSpec
from torghut_assets.domain.gates.records import GateReport, LimitResult
from torghut_assets.domain.verdicts import Verdict

_CLOSEST = 3
NO_PROPOSAL = "a template proposes no parameters: that takes a judgement"


def summary(
    spec: CandidateSpec,
    metrics: BacktestMetrics,
    overfit: OverfitDiagnostics,
    report: GateReport,
) -> SummaryForm:
    """Return the headline figures of an evaluation and what the decision rests on."""
    path = metrics.out_of_sample
    text = (
        f"{spec.candidate_id} ({spec.strategy.type} {spec.strategy.version}) on "
        f"{report.snapshot_id}: {report.verdict.value} for paper trading, "
        f"{report.beyond_paper_verdict.value} beyond it."
    )
    points = [
        (
            f"Out of sample, {path.n_bars} bars in {len(metrics.folds)} folds: Sharpe ratio "
            f"{_number(path.sharpe_annual)} a year after costs, in sample "
            f"{_number(metrics.in_sample_sharpe_annual)}, total return "
            f"{_percent(path.total_return_fraction)}, largest drawdown "
            f"{_percent(path.max_drawdown_fraction)}."
        ),
        (
            f"Costs {_percent(path.cost_annual_fraction)} a year at a turnover of "
            f"{_number(path.turnover_annual)} a year."
        ),
        (
            f"Deflated Sharpe ratio {_number(overfit.dsr)} over {overfit.trials_raw} trials, "
            f"probability of backtest overfitting {_number(overfit.pbo)}."
        ),
        f"Limits not kept: {', '.join(report.failed) or 'none'}."[:400],
        *_regimes(spec, metrics),
    ]
    return SummaryForm(summary=text, points=tuple(points[:8]))


def _regimes(spec: CandidateSpec, metrics: BacktestMetrics) -> Iterator[str]:
    """Yield where the thesis expected something and what came, in numbers."""
    expected = {item.regime for item in spec.expected_regimes}
    for found in metrics.by_regime:
        if found.regime in expected:
            yield (
                f"Regime {found.regime}, of which the thesis expects something: Sharpe ratio "
                f"{_number(found.sharpe_annual)} a year over {found.n_bars} bars."
            )


def review(report: GateReport) -> ReviewForm:
    """Return the limits that were not kept and the closest of those that were."""
    limits = [limit for gate in report.gates for limit in gate.limits]
    failed = [limit for limit in limits if limit.verdict is not Verdict.PASS]
    kept = [x for x in limits if x.verdict is Verdict.PASS and x.unit != "count"]
    kept.sort(key=_relative)
    text = (
        f"The decision is {report.verdict.value}: {len(limits) - len(failed)} of {len(limits)} "
        "limits were kept. Below: those that were not, then those with the least to spare."
    )
    findings = [
        *(ReviewFinding(stance="doubts", about=x.name, text=_said(x)) for x in failed[:8]),
        *(ReviewFinding(stance="questions", about=x.name, text=_said(x)) for x in kept[:_CLOSEST]),
    ]
    return ReviewForm(overall=text, findings=tuple(findings))


def _relative(limit: LimitResult) -> float:
    """Margin as a share of the limit, so that units do not matter; 0 is on the limit."""
    return (limit.margin or 0.0) / max(abs(limit.limit), 1e-12)


def _said(limit: LimitResult) -> str:
    found = "nothing" if limit.measured is None else f"{limit.measured:.4g}"
    wanted = f"{limit.bound.replace('_', ' ')} {limit.limit:g} {limit.unit}"
    return f"{limit.status.lower().replace('_', ' ')}: measured {found}, allowed {wanted}"


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1%}"
