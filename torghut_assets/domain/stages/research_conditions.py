"""The conditions of the first four stages, from a thesis to a gate decision.

One small function each, decided on records: it returns an outcome and a sentence. Evidence
that is missing, altered or about something else is an `EvidenceError`: the candidate is held,
it has not failed. `conditions` says which function stands where.
"""

from torghut_assets.domain.backtest.folds import incomplete_folds
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import (
    BacktestMetrics,
    ReproducibilityManifest,
    StressMetrics,
    TargetWeights,
)
from torghut_assets.domain.backtest.reproduction import require_same_evaluation
from torghut_assets.domain.candidates.conformance import LOOK_AHEAD_TESTS
from torghut_assets.domain.candidates.records import CandidateSpec, ConformanceResult, StrategyBuild
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.feedback import ResearchFeedback
from torghut_assets.domain.gates.policy import GatePolicy
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.rollback.records import IncidentReport
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.domain.stages.evidence import Found, Outcome, StageEvidence, require_agreement
from torghut_assets.domain.verdicts import Verdict


def submission_is_kept(evidence: StageEvidence) -> Found:
    """The candidate was submitted, and the file under its id is about it."""
    submitted = evidence.submission
    require_agreement("submitted file", submitted.candidate_id, evidence.candidate_id)
    return Outcome.PASS, f"submitted by {submitted.author}"


def parent_feedback_is_cited(evidence: StageEvidence) -> Found:
    """A child cites the feedback on its parent's refusal, or its parent's passing report."""
    spec = evidence.submission
    if spec.parent is None:
        return Outcome.PASS, "the first of its line: no parent"
    line = evidence.line(spec.parent)
    refused, rolled_back = line.refused(spec.parent), line.was_rolled_back(spec.parent)
    for prior in spec.prior_run_evidence:
        try:
            record = evidence.cited(prior.digest)
        except EvidenceError:
            continue  # other evidence may be cited too; it does not count here
        if isinstance(record, IncidentReport) and record.candidate_id == spec.parent:
            return Outcome.PASS, f"cites the incident {record.digest} of {record.subject}"
        if rolled_back:
            continue
        if isinstance(record, ResearchFeedback) and record.candidate_id == spec.parent:
            return Outcome.PASS, f"cites the feedback {record.digest} of {record.subject}"
        if not isinstance(record, GateReport) or record.verdict is not Verdict.PASS:
            continue
        if not refused and record.candidate_id == spec.parent:
            return Outcome.PASS, f"cites the passing report {record.digest} of {record.subject}"
    wanted = "incident report" if rolled_back else "research feedback"
    return Outcome.FAIL, (
        f"prior_run_evidence names no {wanted} of the parent {spec.parent} that is in the store; "
        "cite its digest"
    )


def line_is_not_frozen(evidence: StageEvidence) -> Found:
    """The line has not been refused as often as the policy allows since it was last unfrozen."""
    line = evidence.line(evidence.submission.parent)
    count, limit = len(line.counted), line.policy.after_refusals
    if line.is_frozen:
        return Outcome.FAIL, (
            f"{count} different refusals in the line {', '.join(line.members)}, the limit is "
            f"{limit}: frozen. Only a signed decision unfreezes it: "
            f"`torghut approve unfreeze {evidence.candidate_id}`, by a person who is no author"
        )
    if line.lifted:
        return (
            Outcome.PASS,
            f"fewer than {limit} different refusals since a person unfroze it",
        )
    return Outcome.PASS, f"fewer than {limit} different refusals in the line"


def candidate_was_not_rolled_back(evidence: StageEvidence) -> Found:
    """The candidate was never rolled back: what failed in trading returns as a child."""
    if evidence.line(evidence.submission.parent).was_rolled_back(evidence.candidate_id):
        return Outcome.FAIL, (
            "it was deployed and rolled back; submit a child candidate that cites the incident"
        )
    return Outcome.PASS, "never rolled back"


def specification_is_the_submission(evidence: StageEvidence) -> Found:
    """The specification on record is what the submitted file says."""
    spec = evidence.get(CandidateSpec, "candidate_spec")
    require_agreement("candidate_spec", spec.digest, evidence.submission.digest)
    return Outcome.PASS, "the record is the submitted file"


def plugin_is_installed(evidence: StageEvidence) -> Found:
    """The plugin that the specification names can be loaded."""
    strategy = evidence.get(CandidateSpec, "candidate_spec").strategy
    return Outcome.PASS, f"{strategy.type} {strategy.version} is " + evidence.plugin_code_digest(
        strategy
    )


def build_is_of_the_specification(evidence: StageEvidence) -> Found:
    """The build was made from the current specification."""
    build = evidence.get(StrategyBuild, "strategy_build")
    spec = evidence.get(CandidateSpec, "candidate_spec")
    require_agreement("strategy_build", build.spec_digest, spec.digest)
    return Outcome.PASS, "built from the current specification"


def build_is_of_the_installed_code(evidence: StageEvidence) -> Found:
    """The build was made from the code that is installed."""
    build = evidence.get(StrategyBuild, "strategy_build")
    spec = evidence.get(CandidateSpec, "candidate_spec")
    installed = evidence.plugin_code_digest(spec.strategy)
    require_agreement("plugin code of strategy_build", build.code_digest, installed)
    return Outcome.PASS, "built from the installed code"


def conformance_passed(evidence: StageEvidence) -> Found:
    """Every test of the strategy contract passed."""
    return _judge_tests(evidence.get(StrategyBuild, "strategy_build").results)


def no_look_ahead_found(evidence: StageEvidence) -> Found:
    """Every look-ahead test was made and passed."""
    results = evidence.get(StrategyBuild, "strategy_build").results
    made = {result.test for result in results}
    if missing := [test for test in LOOK_AHEAD_TESTS if test not in made]:
        return Outcome.INCONCLUSIVE, f"not tested: {', '.join(missing)}"
    return _judge_tests(tuple(r for r in results if r.test in LOOK_AHEAD_TESTS))


def snapshot_has_no_errors(evidence: StageEvidence) -> Found:
    """Schema and quality checks of the bars found no error."""
    manifest = evidence.get(SnapshotManifest, "dataset_snapshot")
    if manifest.errors:
        found = "; ".join(f"{e.check}: {e.example}" for e in manifest.errors)
        return Outcome.FAIL, f"data schema validation failed ({found})"
    return Outcome.PASS, f"{len(manifest.checks)} checks, {len(manifest.findings)} warnings"


def snapshot_is_of_the_universe(evidence: StageEvidence) -> Found:
    """The snapshot is a cut of the universe that the thesis is about."""
    manifest = evidence.get(SnapshotManifest, "dataset_snapshot")
    spec = evidence.get(CandidateSpec, "candidate_spec")
    require_agreement("dataset_snapshot", manifest.universe, spec.universe)
    return Outcome.PASS, manifest.universe


def outputs_are_of_this_evaluation(evidence: StageEvidence) -> Found:
    """Every output was made from the current inputs, and from the other current outputs."""
    expected = evidence.evaluation.inputs
    weights = evidence.get(TargetWeights, "target_weights")
    metrics = evidence.get(BacktestMetrics, "backtest_metrics")
    stress = evidence.get(StressMetrics, "stress_metrics")
    overfit = evidence.get(OverfitDiagnostics, "overfit_diagnostics")
    again = evidence.get(ReproducibilityManifest, "reproducibility_manifest")
    for output in (weights, metrics, stress, overfit, again):
        require_same_evaluation(output.record_kind, output.inputs, expected)
    require_agreement("overfit_diagnostics", overfit.backtest_digest, metrics.digest)
    compared = {output.output: output.first_digest for output in again.outputs}
    for output in (weights, metrics, stress):
        found = compared.get(output.record_kind, "nothing")
        require_agreement(f"reproducibility_manifest: {output.record_kind}", found, output.digest)
    return Outcome.PASS, "five outputs of the same inputs"


def folds_are_complete(evidence: StageEvidence) -> Found:
    """Every walk-forward fold is whole, purged and in order."""
    metrics = evidence.get(BacktestMetrics, "backtest_metrics")
    if faults := incomplete_folds(metrics.folds, metrics.settings):
        return Outcome.FAIL, "; ".join(faults)
    return Outcome.PASS, f"{len(metrics.folds)} folds"


def stress_differs_from_base(evidence: StageEvidence) -> Found:
    """No stress scenario left the result as it was."""
    stress = evidence.get(StressMetrics, "stress_metrics")
    if equal := stress.equal_to_base:
        return Outcome.FAIL, f"equal to the base: {', '.join(equal)}"
    return Outcome.PASS, f"{len(stress.results)} scenarios"


def computed_twice_alike(evidence: StageEvidence) -> Found:
    """A second computation gave the same bytes."""
    manifest = evidence.get(ReproducibilityManifest, "reproducibility_manifest")
    changed = [o.output for o in manifest.outputs if o.first_digest != o.second_digest]
    if changed or manifest.verdict is not Verdict.PASS:
        return Outcome.FAIL, f"changed: {', '.join(changed) or 'the verdict'}"
    return Outcome.PASS, f"{len(manifest.outputs)} outputs, the same bytes"


def trials_are_counted(evidence: StageEvidence) -> Found:
    """The overfitting statistics count at least the points that the backtest tried."""
    overfit = evidence.get(OverfitDiagnostics, "overfit_diagnostics")
    tried = evidence.get(BacktestMetrics, "backtest_metrics").grid_points
    if overfit.trials_raw < tried:
        return Outcome.FAIL, f"N = {overfit.trials_raw} is below the {tried} grid points"
    return Outcome.PASS, f"N = {overfit.trials_raw}, {tried} of them in this grid"


def decision_repeats_from_its_evidence(evidence: StageEvidence) -> Found:
    """The gate's decision is computed again, from the current records, to the same digest."""
    report = evidence.get(GateReport, "gate_report")
    rests_on = evidence.evaluation
    again = evaluate_gates(
        GateEvidence(
            candidate_id=evidence.candidate_id,
            snapshot_id=evidence.snapshot_id or "",
            candidate_spec=rests_on.spec,
            strategy_build=rests_on.build,
            dataset_snapshot=rests_on.manifest,
            cost_model=rests_on.cost_model,
            risk_limits=rests_on.risk_limits,
            evaluation_settings=rests_on.settings,
            trial_policy=rests_on.trial_policy,
            target_weights=evidence.get(TargetWeights, "target_weights"),
            backtest_metrics=evidence.get(BacktestMetrics, "backtest_metrics"),
            stress_metrics=evidence.get(StressMetrics, "stress_metrics"),
            overfit_diagnostics=evidence.get(OverfitDiagnostics, "overfit_diagnostics"),
            reproducibility_manifest=evidence.get(
                ReproducibilityManifest, "reproducibility_manifest"
            ),
        ),
        evidence.get(GatePolicy, "gate_policy"),
        code_version=report.code_version,
    )
    require_agreement("gate_report", report.digest, again.digest)
    return Outcome.PASS, "decided again from the same records, to the same bytes"


def gate_passed(evidence: StageEvidence) -> Found:
    """Every limit that paper trading requires was kept."""
    report = evidence.get(GateReport, "gate_report")
    if report.verdict is not Verdict.PASS:
        return Outcome.FAIL, "; ".join(f"{r.code} {r.text}" for r in report.blocking_reasons)
    return Outcome.PASS, f"{len(report.gates)} gates passed"


def refusal_feeds_back(evidence: StageEvidence) -> Found:
    """A refusal has its feedback to research; a pass needs none."""
    report = evidence.get(GateReport, "gate_report")
    if report.verdict is Verdict.PASS:
        return Outcome.PASS, "nothing to feed back"
    feedback = evidence.get(ResearchFeedback, "research_feedback")
    require_agreement("research_feedback", feedback.gate_report_digest, report.digest)
    return Outcome.PASS, f"reason classes: {', '.join(feedback.reason_classes)}"


def _judge_tests(results: tuple[ConformanceResult, ...]) -> Found:
    failed = [f"{r.test}: {r.detail}" for r in results if r.verdict is Verdict.FAIL]
    open_ = [f"{r.test}: {r.detail}" for r in results if r.verdict is Verdict.INCONCLUSIVE]
    if failed:
        return Outcome.FAIL, "; ".join(failed)
    if open_ or not results:
        return Outcome.INCONCLUSIVE, "; ".join(open_) or "no test was made"
    return Outcome.PASS, f"{len(results)} tests passed"
