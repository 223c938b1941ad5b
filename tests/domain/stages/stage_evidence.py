"""A passing candidate in memory, the pipelines as shipped and with every stage active."""

import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import torghut_assets
from torghut_assets.domain.candidates.conformance import LOOK_AHEAD_TESTS
from torghut_assets.domain.candidates.records import ConformanceResult
from torghut_assets.domain.errors import EvidenceMissingError
from torghut_assets.domain.gates.records import ArtifactRef
from torghut_assets.domain.records import Record
from torghut_assets.domain.stages.evidence import Finding, Outcome, StageEvidence
from torghut_assets.domain.stages.line import LineState
from torghut_assets.domain.stages.loader import load_pipeline
from torghut_assets.domain.stages.machine import transition
from torghut_assets.domain.stages.receipts import StageDecision, StageReceipt
from torghut_assets.domain.verdicts import Verdict

sys.path.append(str(Path(__file__).parents[1] / "gates"))

from gate_evidence import POLICY, D, passing, rebound

from torghut_assets.domain.gates.evaluate import evaluate_gates

FILE = Path(torghut_assets.__file__).parent / "config" / "pipeline.yaml"
SHIPPED = load_pipeline(FILE.read_bytes())
ACTIVE = SHIPPED.model_copy(
    update={"stages": tuple(s.model_copy(update={"active": True}) for s in SHIPPED.stages)}
)


def _with_look_ahead_tests():
    """Return the gates' passing evidence; its build also made every look-ahead test."""
    evidence = passing()
    build = evidence.strategy_build
    made = tuple(
        ConformanceResult(test=test, verdict=Verdict.PASS, detail="nothing changed")
        for test in LOOK_AHEAD_TESTS
        if test not in {result.test for result in build.results}
    )
    build = build.model_copy(update={"results": (*build.results, *made)})
    return rebound(replace(evidence, strategy_build=build))


PASSING = _with_look_ahead_tests()
DIGESTS = D
CANDIDATE = PASSING.candidate_id
SNAPSHOT = PASSING.snapshot_id


@dataclass
class MemoryReader:
    """Evidence in a mapping; everything can be replaced."""

    records: dict[str, Record]
    submitted: object
    code: str
    citable: dict[str, Record] = field(default_factory=dict)
    killed: str | None = None
    lines: LineState = field(default_factory=lambda: LineState((CANDIDATE,), (), SHIPPED.freeze))

    def record(self, name):
        if name not in self.records:
            raise EvidenceMissingError(location=name, digest="0" * 64)
        return self.records[name]

    def submission(self):
        return self.submitted

    def plugin_code_digest(self, strategy):  # noqa: ARG002 - the protocol's signature
        return self.code

    def cited(self, digest):
        if digest not in self.citable:
            raise EvidenceMissingError(location="cited", digest=digest)
        return self.citable[digest]

    def line(self, parent):  # noqa: ARG002 - the protocol's signature
        return self.lines

    def kill_reason(self):
        return self.killed


def passing_reader():
    records = {
        f.name: value
        for f in fields(PASSING)
        if isinstance(value := getattr(PASSING, f.name), Record)
    }
    records["gate_policy"] = POLICY
    records["gate_report"] = evaluate_gates(PASSING, POLICY, code_version="test")
    return MemoryReader(
        records=records,
        submitted=records["candidate_spec"],
        code=records["strategy_build"].code_digest,
    )


def evidence_of(reader):
    return StageEvidence(CANDIDATE, SNAPSHOT, reader)


def decision_with(pipeline, stage, outcome, *, candidate=CANDIDATE, mark="a" * 64, snapshot=None):
    """Return the decision that a stage comes to with an outcome, whatever the evidence."""
    leads = transition(pipeline, stage, outcome)
    superseded = "other evidence" if outcome is Outcome.SUPERSEDED else None
    findings = (
        Finding(
            condition="made_up",
            outcome=outcome,
            detail="for a test",
            looked_at=(ArtifactRef(name="gate_report", digest=mark),),
        ),
    )
    return StageDecision(
        candidate_id=candidate,
        snapshot_id=snapshot,
        session=None,
        parent=None,
        stage=stage,
        to_stage=leads.to_stage,
        requires=() if superseded else findings,
        ensures=findings if outcome is Outcome.PASS else (),
        superseded=superseded,
        held_because=leads.held_because,
        pipeline_digest=pipeline.digest,
        code_digest="c" * 64,
    )


def receipts_of(decisions, first=1):
    """Return receipts of decisions, chained."""
    import datetime as dt

    receipts, previous = [], "0" * 64
    for sequence, decision in enumerate(decisions, start=first):
        receipts.append(
            StageReceipt(
                sequence=sequence,
                previous_digest=previous,
                recorded_at=dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC),
                actor="tester",
                decision=decision,
            )
        )
        previous = receipts[-1].digest
    return receipts
