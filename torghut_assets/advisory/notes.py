"""Notes, each from a model if there is one, from a template if not, or without advice.

Every function here returns a note whatever the model does. What raises is the evidence:
a missing or altered record is never advised on.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from torghut_assets.advisory import templates
from torghut_assets.advisory.forms import ProposalForm, ReviewForm, RunbookForm, SummaryForm
from torghut_assets.advisory.prompts import (
    described_backtest,
    described_build,
    described_candidate,
    described_report,
    prompt,
)
from torghut_assets.advisory.proposals import Citation, bounded_changes, draft_of
from torghut_assets.advisory.records import (
    ExperimentSummary,
    NoAdvice,
    ParameterProposal,
    RationaleReview,
    RunbookActions,
)
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.gates.feedback import ResearchFeedback
from torghut_assets.domain.gates.records import ArtifactRef, GateReport
from torghut_assets.domain.records import Part, Record
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.advisory_llm import AdvisoryModel
from torghut_assets.resources.advisory_settings import AdviceUnavailableError
from torghut_assets.resources.home import Home

FormT = TypeVar("FormT", bound=Part)
_GENERAL: Final = "general"


class Advised(NamedTuple):
    """How a note came about: its fields that say so, and the answer if there is one."""

    origin: dict[str, Any]
    form: Any


def _advised(
    model: AdvisoryModel,
    form: type[FormT],
    evidence: Mapping[str, Any],
    template: Callable[[], FormT | None],
) -> Advised:
    """Ask; a model that is off is replaced by the template, one that fails by nothing."""
    try:
        answer = model.ask(prompt(form, evidence), form)
    except AdviceUnavailableError as error:
        reason = NoAdvice(code=error.code, detail=error.detail)
        return Advised({"source": "none", "no_advice": reason, "exchange": error.exchange}, None)
    if answer is None:
        return Advised({"source": "template", "no_advice": None, "exchange": None}, template())
    origin = {"source": "model", "no_advice": None, "exchange": answer.exchange}
    return Advised(origin, answer.form)


def _based_on(records: Mapping[str, Record]) -> tuple[ArtifactRef, ...]:
    return tuple(ArtifactRef(name=name, digest=record.digest) for name, record in records.items())


def summarize(
    model: AdvisoryModel,
    spec: CandidateSpec,
    metrics: BacktestMetrics,
    overfit: OverfitDiagnostics,
    report: GateReport,
) -> ExperimentSummary:
    """Summarize an evaluation."""
    origin, form = _advised(
        model,
        SummaryForm,
        {
            "candidate": described_candidate(spec),
            "measured": described_backtest(metrics, overfit),
            "decision": described_report(report),
        },
        lambda: templates.summary(spec, metrics, overfit, report),
    )
    return ExperimentSummary(
        partition=report.subject,
        based_on=_based_on(
            {
                "candidate_spec": spec,
                "backtest_metrics": metrics,
                "overfit_diagnostics": overfit,
                "gate_report": report,
            }
        ),
        summary=form.summary if form else None,
        points=form.points if form else (),
        **origin,
    )


def review(model: AdvisoryModel, spec: CandidateSpec, report: GateReport) -> RationaleReview:
    """Review the rationale of a decision; a remark on a limit that is not there is general."""
    origin, form = _advised(
        model,
        ReviewForm,
        {"candidate": described_candidate(spec), "decision": described_report(report)},
        lambda: templates.review(report),
    )
    known = {limit.name for gate in report.gates for limit in gate.limits}
    return RationaleReview(
        partition=report.subject,
        based_on=_based_on({"candidate_spec": spec, "gate_report": report}),
        overall=form.overall if form else None,
        findings=tuple(
            finding if finding.about in known else finding.model_copy(update={"about": _GENERAL})
            for finding in (form.findings if form else ())
        ),
        **origin,
    )


class Lineage(NamedTuple):
    """What a child of the candidate would come from."""

    spec: CandidateSpec
    build: StrategyBuild
    report: GateReport
    feedback: ResearchFeedback | None


def propose(model: AdvisoryModel, home: Home, lineage: Lineage) -> ParameterProposal:
    """Propose parameters for a next candidate, bounded by the schema, and draft it."""
    spec, build, report, feedback = lineage
    origin, form = _advised(
        model,
        ProposalForm,
        {
            "candidate": described_candidate(spec),
            "plugin": described_build(build),
            "decision": described_report(report),
            "feedback": feedback.model_dump(mode="json") if feedback else None,
        },
        lambda: None,
    )
    changes = bounded_changes(form.changes, build) if form else ()
    draft, no_draft = None, None if origin["source"] == "none" else templates.NO_PROPOSAL
    if form:
        try:
            draft, no_draft = draft_of(home, spec, changes, _citation(report, feedback)), None
        except BadInputError as error:
            no_draft = str(error)[:1_000]
        except OSError as error:  # a disk that is full, for example
            no_draft = f"the draft could not be written: {error.strerror}"
    records: dict[str, Record] = {
        "candidate_spec": spec,
        "strategy_build": build,
        "gate_report": report,
    }
    if feedback is not None:
        records["research_feedback"] = feedback
    return ParameterProposal(
        partition=report.subject,
        based_on=_based_on(records),
        rationale=form.rationale if form else None,
        changes=changes,
        draft=draft,
        no_draft=no_draft,
        **origin,
    )


def _citation(report: GateReport, feedback: ResearchFeedback | None) -> Citation:
    """Return what a child must cite: the feedback on a refusal, or the report of a pass."""
    if feedback is not None and feedback.gate_report_digest == report.digest:
        return Citation(feedback.digest, f"Research feedback on {report.subject}.")
    if report.verdict is Verdict.PASS:
        return Citation(report.digest, f"Passing gate report on {report.subject}.")
    raise BadInputError(
        location=f"research_feedback of {report.subject}",
        found="none on the current refusal",
        expected="the feedback that a child must cite",
    )


def suggest_runbook(
    model: AdvisoryModel, partition: str, records: Mapping[str, Record]
) -> RunbookActions:
    """Suggest steps for the operator of one session, each for a person to approve.

    Parameters
    ----------
    partition : str
        `<candidate>|<session>`.
    records : mapping of str to Record
        Asset name to what it holds for that session: drift, execution costs, incidents.
    """
    origin, form = _advised(
        model,
        RunbookForm,
        {name: record.model_dump(mode="json") for name, record in records.items()},
        lambda: RunbookForm(
            situation=f"Records on {partition}: {', '.join(sorted(records)) or 'none'}."[:2_000],
            steps=(),
        ),
    )
    return RunbookActions(
        partition=partition,
        based_on=_based_on(records),
        situation=form.situation if form else None,
        steps=form.steps if form else (),
        **origin,
    )
