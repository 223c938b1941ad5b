"""What a gate decision may look at, read with suspicion.

`GateEvidence` holds the records; `number` and its neighbours take values out of them. Nothing
here trusts that a record was validated when it was made: an attribute that is absent, a value
of another type, NaN and infinity are each an `UnusableEvidenceError` with its own `Problem`,
never a number.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields
from enum import StrEnum
from functools import cached_property
from typing import Any, Final, NamedTuple

from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import (
    BacktestMetrics,
    CostModel,
    EvaluationSettings,
    ReproducibilityManifest,
    RiskLimits,
    StressMetrics,
    TargetWeights,
)
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.records import Record
from torghut_assets.domain.snapshots.records import SnapshotManifest


class Problem(StrEnum):
    """Why a measurement cannot be compared with its limit. Every one of them fails it."""

    MISSING_EVIDENCE = "MISSING_EVIDENCE"
    NOT_MEASURED = "NOT_MEASURED"
    NOT_A_NUMBER = "NOT_A_NUMBER"
    INFINITE = "INFINITE"
    WRONG_SIGN = "WRONG_SIGN"
    IMPOSSIBLE_VALUE = "IMPOSSIBLE_VALUE"
    WRONG_TYPE = "WRONG_TYPE"


MEANINGS: Final[dict[Problem, str]] = {
    Problem.MISSING_EVIDENCE: "the record that holds it does not exist",
    Problem.NOT_MEASURED: "the record says that it was not measured or is not defined",
    Problem.NOT_A_NUMBER: "the value is NaN",
    Problem.INFINITE: "the value is infinite",
    Problem.WRONG_SIGN: "the value is negative where only zero and above exist",
    Problem.IMPOSSIBLE_VALUE: "the value lies outside what can exist, e.g. a probability of 1.3",
    Problem.WRONG_TYPE: "the record or the value is not of the type that the form prescribes",
}

RECORD_TYPES: Final[dict[str, type[Record]]] = {
    "candidate_spec": CandidateSpec,
    "strategy_build": StrategyBuild,
    "dataset_snapshot": SnapshotManifest,
    "cost_model": CostModel,
    "risk_limits": RiskLimits,
    "evaluation_settings": EvaluationSettings,
    "trial_policy": TrialPolicy,
    "target_weights": TargetWeights,
    "backtest_metrics": BacktestMetrics,
    "stress_metrics": StressMetrics,
    "reproducibility_manifest": ReproducibilityManifest,
    "overfit_diagnostics": OverfitDiagnostics,
}
"""Records of a decision, by the name of the asset that holds them."""


class UnusableEvidenceError(EvidenceError):
    """A value cannot be used; `problem` says why. It becomes a failed limit, not a crash."""

    def __init__(self, problem: Problem, text: str) -> None:
        self.problem = problem
        super().__init__(text)


@dataclass(frozen=True)
class GateEvidence:
    """All records that one decision rests on; `None` means that the record does not exist.

    `candidate_id` and `snapshot_id` say what is being decided; the records must agree.
    """

    candidate_id: str
    snapshot_id: str
    candidate_spec: CandidateSpec | None = None
    strategy_build: StrategyBuild | None = None
    dataset_snapshot: SnapshotManifest | None = None
    cost_model: CostModel | None = None
    risk_limits: RiskLimits | None = None
    evaluation_settings: EvaluationSettings | None = None
    trial_policy: TrialPolicy | None = None
    target_weights: TargetWeights | None = None
    backtest_metrics: BacktestMetrics | None = None
    stress_metrics: StressMetrics | None = None
    reproducibility_manifest: ReproducibilityManifest | None = None
    overfit_diagnostics: OverfitDiagnostics | None = None

    @cached_property
    def digests(self) -> dict[str, str | None]:
        """Digest of every record by name; `None` if it is missing or not a valid record."""
        names = (field.name for field in fields(self) if field.name in RECORD_TYPES)
        return {name: _digest_if_valid(name, getattr(self, name)) for name in names}


def _digest_if_valid(name: str, record: object) -> str | None:
    """Digest of a record that is exactly what its validation would have made."""
    model = RECORD_TYPES[name]
    if type(record) is not model:
        return None
    try:
        again = model.model_validate(record.model_dump(warnings=False))
    except (ValueError, TypeError, AttributeError):
        return None  # the caller reports it as malformed, by name
    return again.digest if again == record else None


def record_of(evidence: GateEvidence, name: str) -> Any:
    """Return the record called `name`, which exists and has the type it should have.

    Raises
    ------
    UnusableEvidenceError
        `MISSING_EVIDENCE` if there is none, `WRONG_TYPE` if it is something else.
    """
    record = getattr(evidence, name)
    if record is None:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, f"there is no {name}")
    if type(record) is not RECORD_TYPES[name]:
        raise UnusableEvidenceError(
            Problem.WRONG_TYPE, f"{name} is of type {type(record).__name__}"
        )
    return record


def attribute(owner: object, path: str) -> Any:
    """Return what a dotted `path` of attributes leads to, `None` included at its end.

    Raises
    ------
    UnusableEvidenceError
        `NOT_MEASURED` if a part on the way is `None`, `WRONG_TYPE` if one is absent.
    """
    value: Any = owner
    walked = type(owner).__name__
    for step in path.split("."):
        if value is None:
            raise UnusableEvidenceError(Problem.NOT_MEASURED, f"{walked} is empty")
        walked = f"{walked}.{step}"
        try:
            value = getattr(value, step)
        except AttributeError as error:
            raise UnusableEvidenceError(Problem.WRONG_TYPE, f"{walked} is absent") from error
    return value


def number(owner: object, path: str) -> float:
    """Return the finite number at `path`; see `attribute` for further errors.

    Raises
    ------
    UnusableEvidenceError
        `NOT_MEASURED` for `None`, `NOT_A_NUMBER`, `INFINITE`, or `WRONG_TYPE` for whatever is
        neither an int nor a float; a bool is not a number here.
    """
    value = attribute(owner, path)
    where = f"{type(owner).__name__}.{path}"
    if value is None:
        raise UnusableEvidenceError(Problem.NOT_MEASURED, f"{where} is empty")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnusableEvidenceError(
            Problem.WRONG_TYPE, f"{where} is of type {type(value).__name__}"
        )
    try:
        finite = float(value)
    except OverflowError as error:
        raise UnusableEvidenceError(Problem.INFINITE, f"{where} is beyond any float") from error
    if math.isnan(finite):
        raise UnusableEvidenceError(Problem.NOT_A_NUMBER, f"{where} is NaN")
    if math.isinf(finite):
        raise UnusableEvidenceError(Problem.INFINITE, f"{where} is infinite")
    return finite


def items(owner: object, path: str) -> tuple[Any, ...]:
    """Return the tuple at `path`; anything but a tuple is `WRONG_TYPE`."""
    value = attribute(owner, path)
    if not isinstance(value, tuple):
        raise UnusableEvidenceError(
            Problem.WRONG_TYPE,
            f"{type(owner).__name__}.{path} is of type {type(value).__name__}",
        )
    return value


def text(owner: object, path: str) -> str:
    """Return the text at `path`; anything but a str is `WRONG_TYPE`."""
    value = attribute(owner, path)
    if not isinstance(value, str):
        raise UnusableEvidenceError(
            Problem.WRONG_TYPE,
            f"{type(owner).__name__}.{path} is of type {type(value).__name__}",
        )
    return value


class Found(NamedTuple):
    """A measured value and what it comes from."""

    value: float
    details: tuple[str, ...] = ()


def items_of(owner: object, path: str) -> tuple[Any, ...]:
    """Return the tuple at `path`; an empty one is `NOT_MEASURED`."""
    found = items(owner, path)
    if not found:
        raise UnusableEvidenceError(
            Problem.NOT_MEASURED, f"{type(owner).__name__}.{path} holds nothing"
        )
    return found


def require_sum(what: str, parts: float, whole: float) -> None:
    """Raise `MISSING_EVIDENCE` unless the parts make the whole: one was left out or added."""
    if parts != whole:
        raise UnusableEvidenceError(
            Problem.MISSING_EVIDENCE, f"{what} add up to {parts:g}, the whole is {whole:g}"
        )


def require_names(names: Iterable[str], present: set[str]) -> None:
    """Raise `MISSING_EVIDENCE` unless every name is present."""
    if absent := [name for name in names if name not in present]:
        raise UnusableEvidenceError(Problem.MISSING_EVIDENCE, f"{', '.join(absent)} is missing")


def quotient(owner: object, above: str, below: str) -> float:
    """`above / below`, both fields of `owner`; not measured unless `below` is positive."""
    divisor = number(owner, below)
    if divisor <= 0.0:
        raise UnusableEvidenceError(
            Problem.NOT_MEASURED, f"{below} is {divisor:.4g}: a ratio to it means nothing"
        )
    return number(owner, above) / divisor
