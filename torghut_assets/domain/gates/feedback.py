"""What research learns from a refusal: classes of reasons, what to try, what to cite.

A child candidate cites the feedback of its parent in `prior_run_evidence`, so that the next
attempt is known to be a next attempt.
"""

from typing import ClassVar, Final, Self

from pydantic import Field, model_validator

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.policy import ReasonClass
from torghut_assets.domain.gates.records import ArtifactRef, GateReport, Reason
from torghut_assets.domain.records import Digest, MeasuredOrNone, Part, Record
from torghut_assets.domain.verdicts import Verdict

_CLASSES: Final[tuple[ReasonClass, ...]] = (
    "data",
    "reproducibility",
    "overfitting",
    "statistics",
    "cost",
    "risk",
    "capacity",
)
"""In the order in which they should be dealt with: without sound data nothing else counts."""

_SUGGESTIONS: Final[dict[ReasonClass, str]] = {
    "data": (
        "Repair the snapshot before anything else: take one whose as-of date the source covers "
        "and whose symbols all trade in the window. No other finding counts until then."
    ),
    "reproducibility": (
        "Make the evidence again from its current inputs. If a conformance test fails, the "
        "plugin is at fault: it looks ahead, keeps state between calls or changes its inputs."
    ),
    "overfitting": (
        "The result depends on the chosen parameters or on how many were tried. Use fewer "
        "parameters, argue their values from the thesis, and do not search for a better point: "
        "every further trial raises the bar."
    ),
    "statistics": (
        "The edge is not there often enough out of sample. Test the thesis itself on another "
        "universe or horizon, or retire it; a longer sample helps only if the edge is real."
    ),
    "cost": (
        "The idea trades more than it earns. Trade less often: a band around the target, a "
        "longer holding period or a slower signal, judged at twice the cost."
    ),
    "risk": (
        "The book is too large or too uneven for its losses. Scale to a lower volatility, cap "
        "single names below the limit, and look at the regime and the scenario named above."
    ),
    "capacity": (
        "The book is too large for its markets. Trade smaller, spread orders over more bars, or "
        "leave out the names with the least volume."
    ),
}


class NothingToFeedBackError(BadInputError):
    """A report that passed has no feedback for research."""


class ClassFinding(Part):
    """All limits of one reason class that failed, and what to try."""

    reason_class: ReasonClass
    blocks_paper: bool
    codes: tuple[str, ...] = Field(min_length=1)
    limits: tuple[str, ...] = Field(min_length=1)
    texts: tuple[str, ...] = Field(min_length=1)
    suggestion: str = Field(min_length=10)


class RegimeOutcome(Part):
    """What the thesis expected of a regime, next to what came."""

    regime: str
    expectation: str
    n_bars: int | None
    sharpe_annual: MeasuredOrNone
    total_return_fraction: MeasuredOrNone


class ResearchFeedback(Record):
    """Why a candidate was refused, for whoever writes the next one."""

    record_kind: ClassVar[str] = "research-feedback"

    candidate_id: str
    snapshot_id: str
    gate_report_digest: Digest
    policy_digest: Digest
    findings: tuple[ClassFinding, ...] = Field(min_length=1)
    regimes: tuple[RegimeOutcome, ...]
    cite: tuple[ArtifactRef, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _blocks_paper(self) -> Self:
        if not any(finding.blocks_paper for finding in self.findings):
            raise ValueError("no finding blocks paper trading: there was no refusal")
        return self

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<snapshot>`."""
        return f"{self.candidate_id}|{self.snapshot_id}"

    @property
    def reason_classes(self) -> tuple[ReasonClass, ...]:
        """Classes that kept the candidate from paper trading."""
        return tuple(f.reason_class for f in self.findings if f.blocks_paper)


def research_feedback_for(report: GateReport, evidence: GateEvidence) -> ResearchFeedback:
    """Sort the reasons of a refusal by class and say what a child candidate must cite.

    Raises
    ------
    NothingToFeedBackError
        If the report passed: there was no refusal.
    """
    if report.verdict is Verdict.PASS:
        raise NothingToFeedBackError(
            location=f"gate report {report.subject}",
            found="verdict pass",
            expected="a refusal",
            action="Ask for a paper deployment instead.",
        )
    cite = [ArtifactRef(name="gate_report", digest=report.digest)]
    cite += [
        ref
        for ref in report.inputs
        if ref.name in ("candidate_spec", "dataset_snapshot", "backtest_metrics")
        and ref.digest is not None
    ]
    return ResearchFeedback(
        candidate_id=report.candidate_id,
        snapshot_id=report.snapshot_id,
        gate_report_digest=report.digest,
        policy_digest=report.policy_digest,
        findings=_findings(report.reasons),
        regimes=_regimes(evidence),
        cite=tuple(cite),
    )


def _findings(reasons: tuple[Reason, ...]) -> tuple[ClassFinding, ...]:
    findings = []
    for reason_class in _CLASSES:
        of_class = [reason for reason in reasons if reason.reason_class == reason_class]
        if of_class:
            findings.append(
                ClassFinding(
                    reason_class=reason_class,
                    blocks_paper=any(r.required_for == "paper" for r in of_class),
                    codes=tuple(dict.fromkeys(r.code for r in of_class)),
                    limits=tuple(r.limit for r in of_class),
                    texts=tuple(r.text for r in of_class),
                    suggestion=_SUGGESTIONS[reason_class],
                )
            )
    return tuple(sorted(findings, key=lambda finding: not finding.blocks_paper))


def _regimes(evidence: GateEvidence) -> tuple[RegimeOutcome, ...]:
    """Put expectations next to outcomes, from intact records only."""
    spec, backtest = evidence.candidate_spec, evidence.backtest_metrics
    intact = evidence.digests["candidate_spec"] and evidence.digests["backtest_metrics"]
    if not intact or spec is None or backtest is None:
        return ()
    measured = {result.regime: result for result in backtest.by_regime}
    outcomes = []
    for expected in spec.expected_regimes:
        found = measured.get(expected.regime)
        outcomes.append(
            RegimeOutcome(
                regime=expected.regime,
                expectation=expected.expectation,
                n_bars=found.n_bars if found else None,
                sharpe_annual=found.sharpe_annual if found else None,
                total_return_fraction=found.total_return_fraction if found else None,
            )
        )
    return tuple(outcomes)
