"""The trial register's entries: who tried what, in which order, and what came of it.

A `TrialTicket` is written before prices can be read, a `TrialOutcome` after. Every entry
embeds the digest of the one before it, so that the last digest binds all of them.
Read `Trial.evaluation_digest` first: it says when two tickets are the same trial.
`register_checks` verifies a register, `trial_count` counts.
"""

import datetime as dt
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, ClassVar, Final, Literal, NamedTuple

from pydantic import AfterValidator, AwareDatetime, Field

from torghut_assets.domain.backtest.records import BacktestMetrics, EvaluationInputs
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.errors import EvidenceContradictionError, EvidenceError
from torghut_assets.domain.records import Digest, Measured, Part, Record

GENESIS_DIGEST: Final = "0" * 64
"""What the first entry names as the digest of its predecessor."""


def _in_utc(value: dt.datetime) -> dt.datetime:
    if value.utcoffset() != dt.timedelta(0):
        raise ValueError("not in UTC")
    return value


UtcTime = Annotated[AwareDatetime, AfterValidator(_in_utc)]


class Trial(Part):
    """What one ticket tries: a candidate's whole parameter grid on one snapshot.

    `purpose` is the step that reads prices, e.g. `backtest_metrics`. `family` is the name
    of the strategy type; what else belongs to the family is decided when trials are counted.
    """

    purpose: str = Field(pattern=r"^[a-z][a-z0-9_]{2,62}$")
    family: str = Field(min_length=1, max_length=80)
    parent: str | None
    code_digest: Digest
    grid_points: int = Field(ge=1)
    declared_outside_trials: int = Field(ge=0)
    inputs: EvaluationInputs

    @cached_property
    def evaluation_digest(self) -> str:
        """What makes two tickets the same trial, whatever their time and purpose.

        Specification, snapshot, plugin code, grid points, costs, risk limits, evaluation
        settings and trial policy (it decides which bars are held out). The same of all of
        these computes the same numbers: nothing new is learned, so nothing is counted.
        Any other is another trial.
        """
        inputs = self.inputs
        identity = {
            "code": self.code_digest,
            "cost_model": inputs.cost_model_digest,
            "grid_points": self.grid_points,
            "manifest": inputs.manifest_digest,
            "risk_limits": inputs.risk_limits_digest,
            "settings": inputs.settings_digest,
            "spec": inputs.spec_digest,
            "trial_policy": inputs.trial_policy_digest,
        }
        return sha256_hex(canonical_json(identity))


class RegisterEntry(Record):
    """One link of the chain. `recorded_at` informs; only `sequence` orders."""

    sequence: int = Field(ge=1)
    previous_digest: Digest
    recorded_at: UtcTime


class TrialTicket(RegisterEntry):
    """Permission to read the bars of one snapshot for one trial; counts from now on."""

    record_kind: ClassVar[str] = "trial-ticket"

    trial: Trial


class CorrelatedTicket(Part):
    """An earlier trial whose returns correlate with those of this one."""

    ticket_sequence: int = Field(ge=1)
    correlation: Measured = Field(ge=-1, le=1)


class TrialOutcome(RegisterEntry):
    """How a ticket ended. An abandoned one has no result; its trials count all the same."""

    record_kind: ClassVar[str] = "trial-outcome"

    ticket_sequence: int = Field(ge=1)
    ticket_digest: Digest
    status: Literal["finished", "abandoned"]
    result_digest: Digest | None
    returns_digest: Digest | None
    correlated: tuple[CorrelatedTicket, ...]


class HoldoutReceipt(RegisterEntry):
    """One look of a family at a final holdout window, written before the look."""

    record_kind: ClassVar[str] = "holdout-receipt"

    ticket_sequence: int = Field(ge=1)
    ticket_digest: Digest
    candidate_id: str
    manifest_digest: Digest
    evaluation_digest: Digest
    policy_digest: Digest
    look: int = Field(ge=1)
    first_session: dt.date
    last_session: dt.date


class RegisterRelocation(RegisterEntry):
    """The register is another file than the one its anchor knew: copied, moved or restored."""

    record_kind: ClassVar[str] = "register-relocation"

    anchored_sequence: int = Field(ge=0)


class Acknowledgement(RegisterEntry):
    """A person answers for a suspect entry, e.g. for a restored backup."""

    record_kind: ClassVar[str] = "register-acknowledgement"

    subject_sequence: int = Field(ge=1)
    by: str = Field(min_length=2, max_length=80)
    reason: str = Field(min_length=10, max_length=500)


class TrialAnchor(Record):
    """The head of a register, kept in another place than the register."""

    record_kind: ClassVar[str] = "trial-anchor"

    sequence: int = Field(ge=0)
    head_digest: Digest
    file_id: int = Field(ge=0)


class RegisterRow(NamedTuple):
    """One row as it is stored: nothing of it is believed before it is checked."""

    sequence: int
    digest: str
    payload: bytes


_KINDS: Final[Mapping[str, type[RegisterEntry]]] = {
    kind.record_kind: kind
    for kind in (TrialTicket, TrialOutcome, HoldoutReceipt, RegisterRelocation, Acknowledgement)
}


def read_entry(row: RegisterRow) -> RegisterEntry:
    """Return the entry that a row holds.

    Raises
    ------
    EvidenceError
        If the payload is not the canonical form of an entry of a known kind.
    """
    location = f"trial register entry {row.sequence}"
    try:
        kind = _KINDS[json.loads(row.payload)["kind"]]
    except (ValueError, TypeError, KeyError) as error:
        raise EvidenceError(
            f"{location}: not an entry of a known kind. Restore the register from a backup."
        ) from error
    return kind.from_canonical_bytes(row.payload, location=location)


def describe_trial(
    spec: CandidateSpec,
    build: StrategyBuild,
    inputs: EvaluationInputs,
    *,
    purpose: str,
) -> Trial:
    """Describe the trial that an evaluation is about to make, from its own records.

    Grid points, parent and declared trials come from the specification, never from an
    argument. Every combination of the grid counts, also one that the plugin will refuse,
    and the declared point does if it is not in the grid.

    Raises
    ------
    EvidenceContradictionError
        If `inputs` names another specification, build or candidate.
    """
    _agree("candidate-spec", spec.digest, inputs.spec_digest)
    _agree("strategy-build", build.digest, inputs.build_digest)
    _agree("candidate of the build's spec", build.spec_digest, spec.digest)
    _agree("candidate", inputs.candidate_id, spec.candidate_id)
    _agree("strategy type of the build", build.strategy_type, spec.strategy.type)
    return Trial(
        purpose=purpose,
        family=spec.strategy.type,
        parent=spec.parent,
        code_digest=build.code_digest,
        grid_points=spec.grid_points + (not _grid_has_declared_point(spec)),
        declared_outside_trials=spec.declared_outside_trials,
        inputs=inputs,
    )


def check_result(trial: Trial, metrics: BacktestMetrics) -> None:
    """Refuse metrics that are not the result of this trial.

    Raises
    ------
    EvidenceContradictionError
        If the inputs differ, or more points were tried than the ticket counts.
    """
    if metrics.inputs != trial.inputs:
        raise EvidenceContradictionError(
            location="backtest-metrics inputs",
            found=sha256_hex(canonical_json(metrics.inputs.model_dump(mode="json"))),
            expected=sha256_hex(canonical_json(trial.inputs.model_dump(mode="json"))),
        )
    if metrics.grid_points > trial.grid_points:
        raise EvidenceContradictionError(
            location="backtest-metrics grid_points",
            found=str(metrics.grid_points),
            expected=f"at most {trial.grid_points}, as the ticket counts",
        )


def _grid_has_declared_point(spec: CandidateSpec) -> bool:
    """Whether the grid lists every declared value; a value left to its default is not listed."""
    return all(
        name in spec.parameters and spec.parameters[name] in values
        for name, values in spec.parameter_grid.items()
    )


def _agree(location: str, found: str, expected: str) -> None:
    if found != expected:
        raise EvidenceContradictionError(location=location, found=found, expected=expected)
