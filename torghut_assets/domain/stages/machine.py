"""The stage machine: where a candidate stands, and which decision may follow.

Read `transition` first: it is the whole table. A candidate's state is `stand`, a fold over
its receipts; there is no status field. `decide` turns evidence into a decision, `walk` goes
as far as the evidence carries, `what_to_append` says which of it is new.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torghut_assets.domain.errors import EvidenceContradictionError, StageRefusedError
from torghut_assets.domain.stages.conditions import examine
from torghut_assets.domain.stages.config import (
    HOLD,
    ROLLBACK,
    FreezePolicy,
    PipelineConfig,
    Stage,
)
from torghut_assets.domain.stages.evidence import (
    Finding,
    Outcome,
    StageEvidence,
    require_agreement,
)
from torghut_assets.domain.stages.line import LineState, Refusal, line_members
from torghut_assets.domain.stages.receipts import StageDecision, StageReceipt

_MOVES = (Outcome.PASS, Outcome.FAIL)


@dataclass(frozen=True)
class Transition:
    """Where an outcome leads; `held_because` if a pass may not advance."""

    to_stage: str
    held_because: str | None = None


@dataclass(frozen=True)
class Standing:
    """Where a candidate stands by its receipts; `last` is `None` before the first."""

    stage: str
    last: StageReceipt | None


def transition(pipeline: PipelineConfig, stage_name: str, outcome: Outcome) -> Transition:
    """Return where an outcome at a stage leads. What is not here does not happen.

    Raises
    ------
    StageRefusedError
        If the stage is not active: nothing is decided there.
    PipelineRefusedError
        If there is no such stage.
    """
    stage = require_active(pipeline, stage_name)
    if outcome is Outcome.PASS:
        if not pipeline.stage(stage.on_pass).active:
            return Transition(stage.name, f"{stage.on_pass} is not active")
        return Transition(stage.on_pass)
    if outcome is Outcome.FAIL:
        return Transition(stage.on_fail)
    if outcome is Outcome.SUPERSEDED and stage.on_superseded != HOLD:
        return Transition(stage.on_superseded)
    return Transition(stage.name)


def require_active(pipeline: PipelineConfig, stage_name: str) -> Stage:
    """Return a stage that may be entered.

    Raises
    ------
    StageRefusedError
        If it is declared and not active.
    """
    stage = pipeline.stage(stage_name)
    if not stage.active:
        raise StageRefusedError(
            f"stage {stage.name}: declared in pipeline {pipeline.pipeline_version} and not active; "
            "it may not be entered. `torghut dag validate` says what it lacks."
        )
    return stage


def stand(pipeline: PipelineConfig, receipts: Sequence[StageReceipt]) -> Standing:
    """Fold the receipts of one candidate into where it stands.

    Parameters
    ----------
    pipeline : PipelineConfig
    receipts : sequence of StageReceipt
        Of one candidate, in any order: their sequence orders them.

    Raises
    ------
    EvidenceContradictionError
        If a receipt does not begin where the one before it ended, leads where its outcome
        does not lead, or is about another candidate.
    """
    standing = Standing(pipeline.initial, None)
    for receipt in sorted(receipts, key=lambda r: r.sequence):
        decision, where = receipt.decision, f"stage receipt {receipt.sequence}"
        if standing.last is not None:
            if receipt.sequence == standing.last.sequence:
                raise EvidenceContradictionError(
                    location=where, found="a second receipt", expected="one of this sequence"
                )
            require_agreement(where, decision.candidate_id, standing.last.decision.candidate_id)
        require_agreement(where, decision.stage, standing.stage)
        leads_to = transition(pipeline, decision.stage, decision.outcome).to_stage
        if decision.outcome is Outcome.SUPERSEDED and has_traded(pipeline, standing):
            leads_to = decision.stage
        held = decision.outcome is Outcome.PASS and decision.held_because is not None
        require_agreement(where, decision.to_stage, decision.stage if held else leads_to)
        standing = Standing(decision.to_stage, receipt)
    return standing


def has_traded(pipeline: PipelineConfig, standing: Standing) -> bool:
    """Whether a session of a deployed stage was decided since the candidate last began."""
    return standing.last is not None and pipeline.stage(standing.last.decision.stage).deployed


def decide(
    pipeline: PipelineConfig, stage_name: str, evidence: StageEvidence, code_digest: str
) -> StageDecision:
    """Examine a stage's conditions and say where the candidate stands after it.

    Postconditions are looked at only if the preconditions hold.

    Raises
    ------
    StageRefusedError
        If the stage is not active.
    EvidenceError
        If there is no submission to say whose child the candidate is.
    """
    stage = require_active(pipeline, stage_name)
    requires = examine(stage.requires, evidence)
    holds = all(finding.outcome is Outcome.PASS for finding in requires)
    ensures = examine(stage.ensures, evidence) if holds else ()
    decision = StageDecision(
        candidate_id=evidence.candidate_id,
        snapshot_id=evidence.snapshot_id if is_about_a_snapshot(pipeline, stage) else None,
        session=evidence.session if stage.is_about_a_session else None,
        parent=evidence.submission.parent,
        stage=stage.name,
        to_stage=stage.name,
        requires=requires,
        ensures=ensures,
        superseded=None,
        held_because=None,
        pipeline_digest=pipeline.digest,
        code_digest=code_digest,
    )
    leads = transition(pipeline, stage.name, decision.outcome)
    return decision.model_copy(
        update={"to_stage": leads.to_stage, "held_because": leads.held_because}
    )


def is_about_a_snapshot(pipeline: PipelineConfig, stage: Stage) -> bool:
    """Whether a stage's decision is about a snapshot, and not the candidate alone."""
    if stage.is_about_a_session:
        return True
    prepared = {asset for each in pipeline.stages for asset in each.prepares}
    return bool(prepared & {*stage.input_assets, *stage.prepares})


def walk(
    pipeline: PipelineConfig, through: str, decide_at: Callable[[str], StageDecision]
) -> tuple[StageDecision, ...]:
    """Return the decisions from the first stage on, as far as passes and `through` carry."""
    stage, decisions = pipeline.initial, []
    while True:
        decision = decide_at(stage)
        decisions.append(decision)
        moved = decision.outcome is Outcome.PASS and decision.to_stage != stage
        if not moved or stage == through:
            return tuple(decisions)
        stage = decision.to_stage


def follow(
    pipeline: PipelineConfig,
    receipts: Sequence[StageReceipt],
    decide_at: Callable[[str], StageDecision],
) -> tuple[StageDecision, ...]:
    """Return the decisions of one session, from where the candidate stands.

    Empty if it does not stand at a stage that is decided by sessions, or if its last receipt
    says the same already.

    Parameters
    ----------
    pipeline : PipelineConfig
    receipts : sequence of StageReceipt
        All of one candidate.
    decide_at : callable
        Decides a stage on the evidence of the session.
    """
    standing = stand(pipeline, receipts)
    stage, last = standing.stage, standing.last
    decisions: list[StageDecision] = []
    while pipeline.stage(stage).is_about_a_session:
        decision = decide_at(stage)
        if last is not None and last.decision.digest == decision.digest:
            break
        decisions.append(decision)
        if decision.to_stage == stage:
            break
        stage = decision.to_stage
    return tuple(decisions)


def what_to_append(
    pipeline: PipelineConfig,
    receipts: Sequence[StageReceipt],
    planned: Sequence[StageDecision],
) -> tuple[StageDecision, ...]:
    """Return the decisions that must be added so that the receipts say what is planned.

    Parameters
    ----------
    pipeline : PipelineConfig
    receipts : sequence of StageReceipt
        All of one candidate.
    planned : sequence of StageDecision
        From the first stage on, from `walk`.

    Returns
    -------
    tuple of StageDecision
        Empty if the receipts say so already. If they say something else about other
        evidence, the first decision supersedes them and the rest begins anew.
    """
    if not planned:
        return ()
    standing = stand(pipeline, receipts)
    attempt = _latest_attempt(pipeline, receipts)
    done = [r.decision for r in attempt if r.outcome in _MOVES]
    common = 0
    while common < min(len(done), len(planned)) and done[common].digest == planned[common].digest:
        common += 1
    if common == len(planned):
        return ()
    if common == len(done) and planned[common].stage == standing.stage:
        is_held = bool(attempt) and attempt[-1].decision.digest == planned[common].digest
        return () if is_held else tuple(planned[common:])
    if standing.stage == pipeline.initial:
        return tuple(planned)
    leads = transition(pipeline, standing.stage, Outcome.SUPERSEDED)
    if leads.to_stage == standing.stage or has_traded(pipeline, standing):
        return ()  # what has traded is not moved by another evaluation
    superseding = planned[0].model_copy(
        update={
            "stage": standing.stage,
            "to_stage": leads.to_stage,
            "requires": (),
            "ensures": (),
            "held_because": None,
            "superseded": _difference(done[min(common, len(done) - 1)], planned[common]),
        }
    )
    return (superseding, *planned)


def line_state(
    receipts: Sequence[StageReceipt], candidate_id: str, parent: str | None, policy: FreezePolicy
) -> LineState:
    """Return what all receipts say about a candidate's line.

    A refusal counts once per gate report, however often it was decided.
    """
    parents = {r.decision.candidate_id: r.decision.parent for r in receipts}
    members = line_members(candidate_id, {**parents, candidate_id: parent})
    refusals: dict[str, Refusal] = {}
    for receipt in receipts:
        decision = receipt.decision
        counts = decision.stage == policy.stage and receipt.outcome is Outcome.FAIL
        if counts and decision.candidate_id in members:
            digest = _report_digest(decision)
            refusals.setdefault(digest, Refusal(decision.candidate_id, digest, receipt.sequence))
    taken_back = {r.decision.candidate_id for r in receipts if r.decision.to_stage == ROLLBACK}
    rolled_back = tuple(sorted(taken_back & set(members)))
    return LineState(members, tuple(refusals.values()), policy, rolled_back=rolled_back)


def _latest_attempt(
    pipeline: PipelineConfig, receipts: Sequence[StageReceipt]
) -> list[StageReceipt]:
    """Return the receipts since the candidate last began.

    An attempt ends with a failure, and when the candidate comes back to the first stage.
    """
    attempts: list[list[StageReceipt]] = [[]]
    ended = False
    for receipt in sorted(receipts, key=lambda r: r.sequence):
        if ended:
            attempts.append([])
        came_back = receipt.decision.stage != receipt.decision.to_stage == pipeline.initial
        ended = came_back or receipt.outcome is Outcome.FAIL
        attempts[-1].append(receipt)
    return attempts[-1]


def _report_digest(decision: StageDecision) -> str:
    """Return what makes two refusals the same: the report, else the decision itself."""
    for ref in decision.inputs:
        if ref.name == "gate_report" and ref.digest is not None:
            return ref.digest
    return decision.digest


def _difference(before: StageDecision, after: StageDecision) -> str:
    """Say in one sentence which evidence of an earlier decision changed."""
    if before.snapshot_id != after.snapshot_id:
        return f"{before.stage}: another snapshot, {after.snapshot_id}"
    old = {ref.name: ref.digest for ref in before.inputs}
    new = {ref.name: ref.digest for ref in after.inputs}
    changed = [name for name in sorted(old | new) if old.get(name) != new.get(name)]
    for name, one, other in (
        ("pipeline", before.pipeline_digest, after.pipeline_digest),
        ("code", before.code_digest, after.code_digest),
    ):
        changed += [name] if one != other else []
    return f"{before.stage}: changed {', '.join(changed) or 'findings'}"


def findings_of(decision: StageDecision) -> tuple[tuple[str, Finding], ...]:
    """Return the findings with the side they stand on."""
    return (
        *(("requires", finding) for finding in decision.requires),
        *(("ensures", finding) for finding in decision.ensures),
    )
