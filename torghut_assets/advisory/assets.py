"""The advisory assets: notes on one evaluation, made on request, read by people.

They are leaves: no asset, check or sensor depends on them, no job but their own makes them,
and the table of records that decisions are read from does not know them.
"""

from typing import Final, TypeVar

import dagster as dg

from torghut_assets.advisory import notes
from torghut_assets.advisory.records import (
    AdvisoryNote,
    ExperimentSummary,
    ParameterProposal,
    RationaleReview,
    RunbookActions,
)
from torghut_assets.assets.keys import INCIDENT_REPORT, RESEARCH_FEEDBACK, Made
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS, EVALUATIONS
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.gates.feedback import ResearchFeedback
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.rollback.records import IncidentReport
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.resources.advisory_llm import AdvisoryModel
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record

GROUP: Final = "advisory"
JOB: Final = "advise_candidate"
SESSION_JOB: Final = "advise_session"
_COMMAND: Final = "torghut advise {candidate} --snapshot {snapshot}"
_OF_SESSION: Final = "torghut advise {candidate} --session {session}"
_CODE: Final = code_digest("advisory")
NoteT = TypeVar("NoteT", bound=AdvisoryNote)

ADVICE: Final[dict[str, Made]] = {
    "experiment_summary": Made(ExperimentSummary, _COMMAND),
    "rationale_review": Made(RationaleReview, _COMMAND),
    "parameter_proposal": Made(ParameterProposal, _COMMAND),
    "runbook_actions": Made(RunbookActions, _OF_SESSION),
}
"""Asset to what it holds: kept apart from `ASSETS`, from which decisions are read."""

ON_EVALUATIONS: Final = tuple(n for n, made in ADVICE.items() if made.dimension == "evaluation")
ON_SESSIONS: Final = tuple(n for n, made in ADVICE.items() if made.dimension == "session")


def _noted(note: NoteT) -> dg.MaterializeResult[NoteT]:
    """Show a note as plain text: a model's Markdown could make a reader's browser load things."""
    exchange = note.exchange
    return dg.MaterializeResult(
        value=note,
        data_version=dg.DataVersion(note.digest),
        metadata={
            "label": note.label,
            "source": note.source,
            "note": dg.MetadataValue.text("\n".join(note.lines())),
            "model": (exchange.model_answered or exchange.model_asked) if exchange else "none",
            "prompt_digest": exchange.prompt_digest if exchange else "none",
            "response_digest": (exchange.response_digest if exchange else None) or "none",
        },
    )


@dg.asset(
    partitions_def=EVALUATIONS,
    group_name=GROUP,
    owners=["team:research"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_CODE[:16],
)
def experiment_summary(
    advisory_model: dg.ResourceParam[AdvisoryModel],
    candidate_spec: CandidateSpec,
    backtest_metrics: BacktestMetrics,
    overfit_diagnostics: OverfitDiagnostics,
    gate_report: GateReport,
) -> dg.MaterializeResult[ExperimentSummary]:
    """Advice: the evaluation in a few sentences. Decides nothing."""
    return _noted(
        notes.summarize(
            advisory_model, candidate_spec, backtest_metrics, overfit_diagnostics, gate_report
        )
    )


@dg.asset(
    partitions_def=EVALUATIONS,
    group_name=GROUP,
    owners=["team:research"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_CODE[:16],
)
def rationale_review(
    advisory_model: dg.ResourceParam[AdvisoryModel],
    candidate_spec: CandidateSpec,
    gate_report: GateReport,
) -> dg.MaterializeResult[RationaleReview]:
    """Advice: remarks on the rationale of a decision that stands. Decides nothing."""
    return _noted(notes.review(advisory_model, candidate_spec, gate_report))


@dg.asset(
    partitions_def=EVALUATIONS,
    group_name=GROUP,
    owners=["team:research"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_CODE[:16],
    deps=[RESEARCH_FEEDBACK],
)
def parameter_proposal(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    advisory_model: dg.ResourceParam[AdvisoryModel],
    candidate_spec: CandidateSpec,
    strategy_build: StrategyBuild,
    gate_report: GateReport,
) -> dg.MaterializeResult[ParameterProposal]:
    """Advice: parameters within the schema and a draft that nobody has submitted."""
    feedback = current_record(  # there is none of an evaluation that passed
        context.instance,
        home.store,
        ResearchFeedback,
        RESEARCH_FEEDBACK,
        str(context.partition_key),
    )
    lineage = notes.Lineage(candidate_spec, strategy_build, gate_report, feedback)
    return _noted(notes.propose(advisory_model, home, lineage))


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name=GROUP,
    owners=["team:trading"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_CODE[:16],
    deps=[INCIDENT_REPORT],
)
def runbook_actions(
    context: dg.AssetExecutionContext,
    home: dg.ResourceParam[Home],
    advisory_model: dg.ResourceParam[AdvisoryModel],
    paper_tca: PaperTca,
    paper_gate_report: PaperGateReport,
    drift_report: DriftReport,
) -> dg.MaterializeResult[RunbookActions]:
    """Advice: steps after a session, each for a person to approve. Decides nothing."""
    partition = str(context.partition_key)
    records = {
        "paper_tca": paper_tca,
        "paper_gate_report": paper_gate_report,
        "drift_report": drift_report,
    }
    incident = current_record(  # there is none unless the session was rolled back
        context.instance, home.store, IncidentReport, INCIDENT_REPORT, partition
    )
    if incident is not None:
        return _noted(
            notes.suggest_runbook(
                advisory_model, partition, {**records, "incident_report": incident}
            )
        )
    return _noted(notes.suggest_runbook(advisory_model, partition, records))
