"""Every condition holds on a passing candidate, and each notices what it is for."""

import pytest
from stage_evidence import (
    CANDIDATE,
    DIGESTS,
    PASSING,
    SHIPPED,
    SNAPSHOT,
    decision_with,
    evidence_of,
    passing_reader,
    receipts_of,
)

from torghut_assets.domain.candidates.conformance import LOOK_AHEAD_TESTS
from torghut_assets.domain.candidates.records import ConformanceResult, PriorEvidence
from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.gates.feedback import research_feedback_for
from torghut_assets.domain.snapshots.records import QualityFinding
from torghut_assets.domain.stages.conditions import CONDITIONS, examine, judge
from torghut_assets.domain.stages.config import FreezePolicy
from torghut_assets.domain.stages.evidence import Outcome, outcome_of
from torghut_assets.domain.stages.failures import FailureClass, classify, wait_before_retry
from torghut_assets.domain.stages.line import LineState, Refusal, line_members
from torghut_assets.domain.stages.machine import decide, line_state
from torghut_assets.domain.verdicts import Verdict

RESEARCH = [n for n, c in CONDITIONS.items() if c.judge.__module__.endswith("research_conditions")]
EVALUATING = [s.name for s in SHIPPED.stages if not s.is_about_a_session]


def found(reader, name):
    return examine((name,), evidence_of(reader))[0]


@pytest.fixture
def reader():
    made = passing_reader()
    build = made.records["strategy_build"]
    missing = [t for t in LOOK_AHEAD_TESTS if t not in {r.test for r in build.results}]
    assert not missing, "the evidence of the gates' tests makes every look-ahead test"
    return made


def test_every_condition_holds_on_a_passing_candidate(reader):
    findings = examine(tuple(RESEARCH), evidence_of(reader))
    assert {f.condition: f.detail for f in findings if f.outcome is not Outcome.PASS} == {}
    assert outcome_of(findings) is Outcome.PASS


@pytest.mark.parametrize("stage", EVALUATING)
def test_an_active_stage_passes_with_it_and_looks_at_its_records(reader, stage):
    decision = decide(SHIPPED, stage, evidence_of(reader), "c" * 64)
    assert decision.outcome is Outcome.PASS
    about_snapshot = stage in {"backtest_robustness", "gate_policy_evaluation"}
    assert decision.snapshot_id == (SNAPSHOT if about_snapshot else None)
    known = {record.digest for record in reader.records.values()} | {reader.code}
    assert {ref.digest for ref in decision.inputs} <= known


@pytest.mark.parametrize("name", sorted(passing_reader().records))
def test_a_missing_record_holds_and_is_never_a_pass(name):
    reader = passing_reader()
    del reader.records[name]
    findings = examine(tuple(RESEARCH), evidence_of(reader))
    touched = [f for f in findings if f.outcome is not Outcome.PASS]
    assert touched
    assert {f.outcome for f in touched} == {Outcome.MISSING}


def changed(reader, name, **changes):
    reader.records[name] = reader.records[name].model_copy(update=changes)


def spoilt(reader, name):
    """Spoil the evidence that a condition is about; return the outcome that must follow."""
    build = reader.records["strategy_build"]
    if name == "submission_is_kept":
        reader.submitted = reader.submitted.model_copy(update={"candidate_id": "other"})
        return Outcome.MISSING
    if name == "parent_feedback_is_cited":
        reader.submitted = reader.submitted.model_copy(update={"parent": "the-parent"})
        return Outcome.FAIL
    if name == "line_is_not_frozen":
        refusals = tuple(Refusal(CANDIDATE, DIGESTS[str(i)], i + 1) for i in range(3))
        reader.lines = LineState((CANDIDATE,), refusals, SHIPPED.freeze)
        return Outcome.FAIL
    if name == "candidate_was_not_rolled_back":
        reader.lines = LineState((CANDIDATE,), (), SHIPPED.freeze, rolled_back=(CANDIDATE,))
        return Outcome.FAIL
    if name == "specification_is_the_submission":
        reader.submitted = reader.submitted.model_copy(update={"title": "Another title"})
        return Outcome.MISSING
    if name == "plugin_is_installed":
        reader.plugin_code_digest = _no_plugin
        return Outcome.FAIL
    if name == "build_is_of_the_specification":
        changed(reader, "strategy_build", spec_digest=DIGESTS["9"])
        return Outcome.MISSING
    if name == "build_is_of_the_installed_code":
        reader.code = DIGESTS["9"]
        return Outcome.MISSING
    if name in {"conformance_passed", "no_look_ahead_found"}:
        bad = ConformanceResult(test=LOOK_AHEAD_TESTS[0], verdict=Verdict.FAIL, detail="it looks")
        kept = tuple(r for r in build.results if r.test != bad.test)
        changed(reader, "strategy_build", results=(*kept, bad))
        return Outcome.FAIL
    if name == "snapshot_has_no_errors":
        error = QualityFinding(check="nulls", severity="error", count=1, example="AAPL")
        changed(reader, "dataset_snapshot", findings=(error,))
        return Outcome.FAIL
    if name == "snapshot_is_of_the_universe":
        changed(reader, "dataset_snapshot", universe="other-universe")
        return Outcome.MISSING
    if name == "outputs_are_of_this_evaluation":
        changed(reader, "target_weights", frame_digest=DIGESTS["9"])
        return Outcome.MISSING
    if name == "folds_are_complete":
        changed(reader, "backtest_metrics", folds=())
        return Outcome.FAIL
    if name == "stress_differs_from_base":
        first = reader.records["stress_metrics"].results[0]
        changed(reader, "stress_metrics", base_returns_digest=first.returns_digest)
        return Outcome.FAIL
    if name == "computed_twice_alike":
        manifest = reader.records["reproducibility_manifest"]
        first = manifest.outputs[0].model_copy(update={"second_digest": DIGESTS["9"]})
        changed(reader, "reproducibility_manifest", outputs=(first, *manifest.outputs[1:]))
        return Outcome.FAIL
    if name == "trials_are_counted":
        changed(reader, "backtest_metrics", grid_points=10_000_000)
        return Outcome.FAIL
    report = reader.records["gate_report"]
    if name == "decision_repeats_from_its_evidence":
        changed(reader, "gate_report", policy_digest=DIGESTS["9"])
        return Outcome.MISSING
    gate = report.gates[0]
    limit = next(r for r in gate.limits if r.required_for == "paper")
    worse = limit.model_copy(update={"limit": 1e9 if limit.bound == "at_least" else -1e9})
    limits = tuple(worse if r is limit else r for r in gate.limits)
    gates = (gate.model_copy(update={"limits": limits}), *report.gates[1:])
    changed(reader, "gate_report", gates=gates)
    return Outcome.FAIL if name == "gate_passed" else Outcome.MISSING


def _no_plugin(strategy):
    raise BadInputError(location="strategy", found=strategy.type, expected="a plugin")


@pytest.mark.parametrize("name", sorted(RESEARCH))
def test_a_condition_notices_what_it_is_for(reader, name):
    assert found(reader, name).outcome is Outcome.PASS
    expected = spoilt(reader, name)
    assert found(reader, name).outcome is expected
    if expected is Outcome.MISSING:
        with pytest.raises(EvidenceError):
            judge(name, evidence_of(reader))


def test_what_was_not_tested_is_inconclusive(reader):
    build = reader.records["strategy_build"]
    kept = tuple(r for r in build.results if r.test not in LOOK_AHEAD_TESTS)
    changed(reader, "strategy_build", results=kept)
    assert found(reader, "no_look_ahead_found").outcome is Outcome.INCONCLUSIVE
    undecided = ConformanceResult(test="warm_up", verdict=Verdict.INCONCLUSIVE, detail="no data")
    changed(reader, "strategy_build", results=(undecided,))
    assert found(reader, "conformance_passed").outcome is Outcome.INCONCLUSIVE
    held = decide(SHIPPED, "backtest_robustness", evidence_of(reader), "c" * 64)
    assert (held.outcome, held.to_stage) == (Outcome.INCONCLUSIVE, "backtest_robustness")
    assert held.ensures == ()


def refused_report(reader):
    spoilt(reader, "gate_passed")
    return reader.records["gate_report"]


def test_a_child_must_cite_the_feedback_on_its_own_parent(reader):
    passed = reader.records["gate_report"]
    feedback = research_feedback_for(refused_report(reader), PASSING)
    reader.citable = {feedback.digest: feedback, passed.digest: passed}

    def child_of(parent, record):
        prior = PriorEvidence(digest=record.digest, note="what the gate said of the parent")
        reader.submitted = reader.submitted.model_copy(
            update={"parent": parent, "prior_run_evidence": (prior,)}
        )
        return found(reader, "parent_feedback_is_cited").outcome

    assert child_of(CANDIDATE, feedback) is Outcome.PASS
    assert child_of("somebody-else", feedback) is Outcome.FAIL
    assert child_of(CANDIDATE, passed) is Outcome.PASS, "a parent that was never refused"
    refusal = Refusal(CANDIDATE, "a" * 64, 4)
    reader.lines = LineState((CANDIDATE,), (refusal,), SHIPPED.freeze)
    assert child_of(CANDIDATE, passed) is Outcome.FAIL, "a pass does not hide a refusal"
    assert child_of(CANDIDATE, feedback) is Outcome.PASS


def test_a_refusal_without_feedback_is_a_refusal_all_the_same(reader):
    refused_report(reader)
    findings = examine(("gate_passed", "refusal_feeds_back"), evidence_of(reader))
    assert [f.outcome for f in findings] == [Outcome.FAIL, Outcome.MISSING]
    assert outcome_of(findings) is Outcome.FAIL


def test_no_findings_are_no_pass():
    assert outcome_of(()) is Outcome.MISSING


def test_a_line_is_everyone_connected_and_freezes_for_all():
    parents = {"b": "a", "c": "b", "d": None, "e": "d"}
    assert line_members("a", parents) == ("a", "b", "c")
    assert line_members("e", parents) == ("d", "e")
    assert line_members("new", parents) == ("new",)
    decisions = [
        decision_with(
            SHIPPED, "gate_policy_evaluation", Outcome.FAIL, candidate=name, mark=mark * 64
        ).model_copy(update={"parent": parents.get(name)})
        for name, mark in (("a", "1"), ("b", "2"), ("b", "2"), ("d", "3"))
    ]
    receipts = receipts_of(decisions)
    policy = FreezePolicy(stage="gate_policy_evaluation", after_refusals=2)
    for member in ("a", "b"):
        assert line_state(receipts, member, parents.get(member), policy).is_frozen
    assert line_state(receipts, "newborn", "b", policy).is_frozen, "a new id changes nothing"
    assert not line_state(receipts, "d", None, policy).is_frozen


def test_only_what_passes_by_itself_is_tried_again():
    policy = SHIPPED.stage("backtest_robustness").failure_policy
    assert classify(ConnectionResetError()) is FailureClass.TRANSIENT
    assert classify(KeyError()) is FailureClass.DETERMINISTIC
    assert classify(KeyError(), KeyError) is FailureClass.TRANSIENT
    assert classify(EvidenceError()) is FailureClass.DETERMINISTIC
    waits = [wait_before_retry(policy, FailureClass.TRANSIENT, n) for n in (1, 2, 3, 4)]
    assert waits == [1.0, 2.0, 4.0, None]
    for other in FailureClass:
        if other is not FailureClass.TRANSIENT:
            assert wait_before_retry(policy, other, 1) is None
