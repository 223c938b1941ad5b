"""Two decisions side by side, and the cause of each verdict that flipped.

A verdict flips because a measurement moved across a limit, a limit moved across a
measurement, or both moved. Which of them suffices is found by putting one decision's
measurement next to the other's limit. A moved limit comes from the policy; a moved measurement
from the inputs that differ and that the gate's records were made from.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

from torghut_assets.domain.audit.compared import Aspect, DecisionView, Judged, aspect_of
from torghut_assets.domain.stages.receipts import StageReceipt

_ABSENT: Final = "absent"
MAX_FIELDS: Final = 200
"""Fields listed per record: two records of other things differ almost everywhere."""

Cause = Literal[
    "measurement_moved",
    "limit_moved",
    "either_suffices",
    "only_both_suffice",
    "problem_appeared",
    "problem_gone",
    "only_in_one",
    "judged_by_other_rules",
]
SENTENCES: Final[Mapping[Cause, str]] = {
    "measurement_moved": "the measurement moved across the limit",
    "limit_moved": "the limit moved across the measurement",
    "either_suffices": "measurement and limit both moved, and either would suffice",
    "only_both_suffice": "measurement and limit both moved, and neither suffices alone",
    "problem_appeared": "it could not be measured any more",
    "problem_gone": "it could be measured only now",
    "only_in_one": "only one of the two decisions has this limit",
    "judged_by_other_rules": "same measurement and limit: the code that judges differs",
}


class FieldDifference(NamedTuple):
    """A field of two records that is not the same; `None` stands for absent or null."""

    place: str
    one: Any
    other: Any


@dataclass(frozen=True)
class InputDifference:
    """An input that the two decisions do not share, and the fields in which it differs."""

    name: str
    aspect: Aspect
    one: str | None
    other: str | None
    fields: tuple[FieldDifference, ...]
    omitted_fields: int = 0


@dataclass(frozen=True)
class Flip:
    """A verdict that is not the same in both decisions, and why."""

    limit: str
    gate: str
    one: Judged | None
    other: Judged | None
    cause: Cause
    sources: tuple[str, ...]
    """Inputs that differ and that the moved value comes from."""


@dataclass(frozen=True)
class Moved:
    """A measurement or limit that moved without a flip."""

    limit: str
    one: Judged
    other: Judged


@dataclass(frozen=True)
class DecisionDifference:
    """Everything in which two decisions differ."""

    one: DecisionView
    other: DecisionView
    inputs: tuple[InputDifference, ...]
    flips: tuple[Flip, ...]
    moved: tuple[Moved, ...]


Closure = Callable[[str], Iterable[str]]
"""Returns all digests that a record rests on, whatever the number of steps."""
Loaded = Callable[[str], Any]
"""Returns the plain content of a record by digest; `None` if it is no record or not there."""


def compare(
    one: DecisionView, other: DecisionView, *, closure: Closure, loaded: Loaded
) -> DecisionDifference:
    """Compare two decisions.

    Parameters
    ----------
    one, other : DecisionView
        Of the same kind, or not: limits are matched by name.
    closure : callable
    loaded : callable
    """
    inputs = tuple(_input_differences(one, other, loaded))
    ours = {judged.name: judged for judged in one.limits}
    theirs = {judged.name: judged for judged in other.limits}
    flips, moved = [], []
    for name in dict.fromkeys([*ours, *theirs]):
        first, second = ours.get(name), theirs.get(name)
        if first is None or second is None or first.verdict != second.verdict:
            cause = cause_of(first, second)
            sources = _sources(cause, first or second, one, other, inputs, closure)
            gate = (first or second).gate if first or second else ""  # type: ignore[union-attr]
            flips.append(Flip(name, gate, first, second, cause, sources))
        elif (first.measured, first.limit) != (second.measured, second.limit):
            moved.append(Moved(name, first, second))
    return DecisionDifference(one, other, inputs, tuple(flips), tuple(moved))


def cause_of(one: Judged | None, other: Judged | None) -> Cause:
    """Return why a verdict flipped, by putting each measurement next to both limits."""
    if one is None or other is None:
        return "only_in_one"
    if one.problem != other.problem:
        return "problem_appeared" if other.problem is not None else "problem_gone"
    if (one.measured, one.limit) == (other.measured, other.limit):
        return "judged_by_other_rules"
    before = one.would_pass(one.measured, one.limit)
    by_measurement = other.would_pass(other.measured, one.limit) != before
    by_limit = other.would_pass(one.measured, other.limit) != before
    if by_measurement and by_limit:
        return "either_suffices"
    if by_measurement:
        return "measurement_moved"
    return "limit_moved" if by_limit else "only_both_suffice"


def field_differences(one: Any, other: Any, place: str = "") -> Iterable[FieldDifference]:
    """Yield the fields in which two plain records differ, in order of `one`.

    Items of lists are matched by their `name`, `symbol`, `output`, `scenario` or `gate_id`,
    else by position.
    """
    if isinstance(one, dict) and isinstance(other, dict):
        pairs: dict[str, tuple[Any, Any]] = {
            key: (one.get(key), other.get(key)) for key in dict.fromkeys([*one, *other])
        }
    elif isinstance(one, list) and isinstance(other, list):
        ours, theirs = _by_label(one), _by_label(other)
        pairs = {key: (ours.get(key), theirs.get(key)) for key in dict.fromkeys([*ours, *theirs])}
    else:
        if one != other:
            yield FieldDifference(place, one, other)
        return
    for key, (first, second) in pairs.items():
        yield from field_differences(first, second, f"{place}.{key}" if place else key)


def differing_findings(
    one: Iterable[StageReceipt], other: Iterable[StageReceipt]
) -> tuple[FieldDifference, ...]:
    """Return stage outcomes and findings that differ, by the last receipt of each stage."""
    ours, theirs = _outcomes(one), _outcomes(other)
    return tuple(
        FieldDifference(place, ours.get(place), theirs.get(place))
        for place in dict.fromkeys([*ours, *theirs])
        if ours.get(place) != theirs.get(place)
    )


def _outcomes(receipts: Iterable[StageReceipt]) -> dict[str, str]:
    last = {receipt.decision.stage: receipt for receipt in receipts}
    found: dict[str, str] = {}
    for stage, receipt in last.items():
        decision = receipt.decision
        found[stage] = f"{receipt.outcome.value} -> {decision.to_stage}"
        for side, findings in (("requires", decision.requires), ("ensures", decision.ensures)):
            for finding in findings:
                found[f"{stage} {side} {finding.condition}"] = finding.outcome.value
    return found


def _by_label(items: list[Any]) -> dict[str, Any]:
    labels = ("name", "symbol", "output", "scenario", "gate_id", "condition", "session")
    found: dict[str, Any] = {}
    for number, item in enumerate(items):
        given = [str(item[key]) for key in labels if isinstance(item, dict) and item.get(key)]
        label = given[0] if given and given[0] not in found else str(number)
        found[label] = item
    return found


def _input_differences(
    one: DecisionView, other: DecisionView, loaded: Loaded
) -> Iterable[InputDifference]:
    for name in dict.fromkeys([*one.inputs, *other.inputs]):
        first, second = one.inputs.get(name), other.inputs.get(name)
        if first == second:
            continue
        fields = _fields(first, second, loaded)
        yield InputDifference(
            name,
            aspect_of(name),
            first,
            second,
            fields[:MAX_FIELDS],
            max(len(fields) - MAX_FIELDS, 0),
        )
    listed = {*one.inputs.values(), *other.inputs.values()}
    if (
        one.policy_digest != other.policy_digest
        and not {one.policy_digest, other.policy_digest} <= listed
    ):
        fields = _fields(one.policy_digest, other.policy_digest, loaded)
        yield InputDifference(
            "policy", "policy", one.policy_digest, other.policy_digest, fields[:MAX_FIELDS]
        )
    if one.code_version != other.code_version:
        versions = (FieldDifference("code_version", one.code_version, other.code_version),)
        yield InputDifference("judging_code", "code", None, None, versions)


def _fields(one: str | None, other: str | None, loaded: Loaded) -> tuple[FieldDifference, ...]:
    if one is None or other is None:
        return ()
    first, second = loaded(one), loaded(other)
    if first is None or second is None:
        return ()
    return tuple(field_differences(first, second))


def _sources(
    cause: Cause,
    judged: Judged | None,
    one: DecisionView,
    other: DecisionView,
    inputs: tuple[InputDifference, ...],
    closure: Closure,
) -> tuple[str, ...]:
    """Return the differing inputs that a flip can come from, most remote causes only."""
    by_policy = tuple(each.name for each in inputs if each.aspect == "policy")
    if cause in ("limit_moved", "only_in_one"):
        return by_policy
    if cause == "judged_by_other_rules":
        return tuple(each.name for each in inputs if each.aspect == "code")
    artifacts = judged.artifacts if judged is not None else ()
    behind = _behind(one, artifacts, closure) | _behind(other, artifacts, closure)
    roots = tuple(
        each.name
        for each in inputs
        if each.aspect not in ("policy", "evidence")
        and (each.one in behind or each.other in behind or each.name == "judging_code")
    )
    nearest = tuple(each.name for each in inputs if each.name in artifacts)
    deflated = judged is not None and "deflated" in judged.name
    found = (*(roots or nearest), *(_trials(inputs, artifacts) if deflated else ()))
    return found if cause == "measurement_moved" else tuple(dict.fromkeys([*found, *by_policy]))


def _trials(inputs: tuple[InputDifference, ...], artifacts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the number of trials as a source, if it differs and the gate looks at it.

    It comes from the trial register and not from an input: other candidates change it.
    """
    return tuple(
        f"{each.name}.{field.place}"
        for each in inputs
        if each.name in artifacts
        for field in each.fields
        if field.place == "trials_raw"
    )


def _behind(view: DecisionView, artifacts: tuple[str, ...], closure: Closure) -> set[str]:
    digests = [
        digest
        for name, digest in view.inputs.items()
        if digest is not None and name.split(" ")[0] in artifacts
    ]
    return {*digests, *(found for digest in digests for found in closure(digest))}
