"""Decisions in one form, whichever gate made them: limits, inputs, and where they stand.

A gate report, a paper gate report and a drift report each put measurements next to limits. To
compare two of them, each limit becomes a `Judged`, and each input gets an aspect: data, code,
settings, policy, candidate or evidence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from torghut_assets.domain.drift.records import DriftReading, DriftReport
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.records import Part, Record

Aspect = Literal["candidate", "data", "code", "settings", "policy", "evidence"]
ASPECTS: Final[tuple[Aspect, ...]] = (
    "candidate",
    "data",
    "code",
    "settings",
    "policy",
    "evidence",
)
_ASPECT_OF_INPUT: Final[Mapping[str, Aspect]] = {
    "candidate_spec": "candidate",
    "dataset_snapshot": "data",
    "strategy_build": "code",
    "cost_model": "settings",
    "risk_limits": "settings",
    "evaluation_settings": "settings",
    "trial_policy": "settings",
    "order_limits": "settings",
    "paper_policy": "settings",
}
DECISIONS: Final[tuple[type[Record], ...]] = (GateReport, PaperGateReport, DriftReport)
"""Records that decide something by comparing measurements with limits."""


class Judged(Part):
    """One limit next to one measurement, both in `unit`; `None` is not measured or no limit."""

    name: str
    gate: str
    bound: str
    limit: float | None
    measured: float | None
    unit: str
    problem: str | None
    verdict: str
    artifacts: tuple[str, ...]

    def would_pass(self, measured: float | None, limit: float | None) -> bool:
        """Whether a measurement keeps a limit in this direction; limits are inclusive."""
        if measured is None or limit is None:
            return False
        return measured >= limit if self.bound == "at_least" else measured <= limit


@dataclass(frozen=True)
class DecisionView:
    """A decision as it is compared."""

    kind: str
    about: str
    digest: str
    verdict: str
    policy_digest: str
    policy_version: str
    code_version: str
    inputs: Mapping[str, str | None]
    limits: tuple[Judged, ...]


def aspect_of(name: str) -> Aspect:
    """Return what kind of input an asset is; results of an evaluation are evidence."""
    return "policy" if name.endswith("gate_policy") else _ASPECT_OF_INPUT.get(name, "evidence")


def view_of(record: Record) -> DecisionView:
    """Return a decision in the common form.

    Raises
    ------
    TypeError
        If the record is none of `DECISIONS`.
    """
    if isinstance(record, GateReport):
        inputs = {ref.name: ref.digest for ref in record.inputs}
        limits = _gate_limits(record)
    elif isinstance(record, PaperGateReport):
        inputs = {f"paper_tca of {ref.session}": ref.tca_digest for ref in record.window}
        inputs |= {
            f"champion's paper_tca of {ref.session}": ref.champion_tca_digest
            for ref in record.window
            if ref.champion_tca_digest
        }
        inputs["paper_deployment"] = record.deployment_digest
        limits = _paper_limits(record)
    elif isinstance(record, DriftReport):
        inputs = {ref.name: ref.digest for ref in record.inputs}
        inputs |= {f"paper_fills of {ref.session}": ref.fills_digest for ref in record.window}
        limits = _readings(record)
    else:
        raise TypeError(f"{record.record_kind} decides nothing")
    return DecisionView(
        kind=record.record_kind,
        about=str(record.subject),
        digest=record.digest,
        verdict=record.verdict.value,
        policy_digest=record.policy_digest,
        policy_version=record.policy_version,
        code_version=record.code_version,
        inputs=inputs,
        limits=limits,
    )


def _gate_limits(report: GateReport) -> tuple[Judged, ...]:
    return tuple(
        Judged(
            name=limit.name,
            gate=gate.gate_id,
            bound=limit.bound,
            limit=limit.limit,
            measured=limit.measured,
            unit=limit.unit,
            problem=limit.problem.value if limit.problem else None,
            verdict=limit.verdict.value,
            artifacts=tuple(sorted({ref.name for ref in gate.artifact_refs})),
        )
        for gate in report.gates
        for limit in gate.limits
    )


def _paper_limits(report: PaperGateReport) -> tuple[Judged, ...]:
    return tuple(
        Judged(
            name=limit.measurement,
            gate=report.gate_id,
            bound=limit.bound,
            limit=limit.limit,
            measured=_worst_end(limit.bound, limit.low, limit.high, limit.measured),
            unit=limit.unit,
            problem=limit.problem.value if limit.problem else None,
            verdict=limit.verdict.value,
            artifacts=("paper_deployment", "paper_tca"),
        )
        for limit in report.limits
    )


def _worst_end(
    bound: str, low: float | None, high: float | None, measured: float | None
) -> float | None:
    """Return what the limit is compared with: the interval's worse end, if there is one."""
    if low is None or high is None:
        return measured
    return low if bound == "at_least" else high


def _readings(report: DriftReport) -> tuple[Judged, ...]:
    """Return one line per limit of a reading: each can be crossed for itself."""
    return tuple(
        Judged(
            name=f"{reading.measurement}, {level}",
            gate=f"drift {reading.group}",
            bound=reading.bound,
            limit=limit,
            measured=reading.measured,
            unit=reading.unit,
            problem=reading.problem,
            verdict=_crossed(reading, limit),
            artifacts=("paper_fills", "paper_tca", "order_intents"),
        )
        for reading in report.readings
        for level, limit in (
            ("degrade", reading.degrade),
            ("abstain", reading.abstain),
            ("fail", reading.fail),
        )
        if limit is not None
    )


def _crossed(reading: DriftReading, limit: float) -> str:
    if reading.measured is None or reading.problem is not None:
        return reading.level.value
    above = reading.measured - limit
    kept = above >= 0 if reading.bound == "at_least" else above <= 0
    return "pass" if kept else "fail"
