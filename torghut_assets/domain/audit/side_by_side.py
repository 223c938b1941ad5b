"""Two decisions side by side: as lines of at most 80 columns, or as plain data."""

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

from torghut_assets.domain.audit.compared import ASPECTS, DecisionView, Judged
from torghut_assets.domain.audit.differences import (
    SENTENCES,
    DecisionDifference,
    FieldDifference,
    Flip,
    InputDifference,
)
from torghut_assets.domain.audit.history import SeenApproval, moment_text
from torghut_assets.domain.audit.tree import WIDTH, short
from torghut_assets.domain.digests import is_digest

SHOWN_FIELDS: Final = 6
"""Fields of one input that the page shows; `--json` has all."""


def page(
    found: DecisionDifference,
    findings: Sequence[FieldDifference],
    approvals: tuple[Sequence[SeenApproval], Sequence[SeenApproval]],
) -> Iterator[str]:
    """Yield the comparison as lines for a person."""
    yield from _heading("A", found.one)
    yield from _heading("B", found.other)
    for aspect in ASPECTS:
        inputs = [each for each in found.inputs if each.aspect == aspect]
        yield f"{aspect}: {'differs' if inputs else 'the same'}"
        for each in inputs:
            yield from _input(each)
    yield f"gates: {len(found.flips)} verdicts flipped, {len(found.moved)} values moved without"
    for flip in found.flips:
        yield from _flip(flip)
    for moved in found.moved:
        yield from _wrapped(f"moved: {moved.limit}, {_values(moved.one, moved.other)}", 2)
    yield f"stages: {len(findings)} differences"
    for finding in findings:
        yield from _wrapped(f"{finding.place}: {finding.one} | {finding.other}", 2)
    for side, seen in zip("AB", approvals, strict=True):
        yield f"approvals of {side}: {len(seen) or 'none'}"
        for approval in seen:
            counts = "counts" if approval.counts else f"does not count, {approval.because}"
            yield from _wrapped(
                f"{approval.decision_kind} by {approval.approver}, entry {approval.sequence}, "
                f"{moment_text(approval.recorded_at)}: {counts}",
                2,
            )


def plain(
    found: DecisionDifference,
    findings: Sequence[FieldDifference],
    approvals: tuple[Sequence[SeenApproval], Sequence[SeenApproval]],
) -> dict[str, Any]:
    """Return the comparison as plain data."""
    return {
        "a": _plain_view(found.one),
        "b": _plain_view(found.other),
        "same": found.one.digest == found.other.digest,
        "inputs": [{**asdict(each), "fields": plain_fields(each.fields)} for each in found.inputs],
        "flipped": [
            {
                "limit": flip.limit,
                "gate": flip.gate,
                "a": _plain_judged(flip.one),
                "b": _plain_judged(flip.other),
                "cause": flip.cause,
                "sentence": SENTENCES[flip.cause],
                "sources": list(flip.sources),
            }
            for flip in found.flips
        ],
        "moved": [
            {
                "limit": moved.limit,
                "a": _plain_judged(moved.one),
                "b": _plain_judged(moved.other),
            }
            for moved in found.moved
        ],
        "stages": plain_fields(findings),
        "approvals": {
            side: [
                {
                    "digest": each.digest,
                    "kind": each.decision_kind,
                    "approver": each.approver,
                    "sequence": each.sequence,
                    "counts": each.counts,
                    "because": each.because,
                }
                for each in seen
            ]
            for side, seen in zip("ab", approvals, strict=True)
        },
    }


def plain_fields(fields: Iterable[FieldDifference]) -> list[dict[str, Any]]:
    """Return field differences as plain data."""
    return [{"place": each.place, "a": each.one, "b": each.other} for each in fields]


def field_line(field: FieldDifference) -> str:
    """Return one field difference as a line, long values shortened."""
    return f"{field.place}: {_value(field.one)} | {_value(field.other)}"


def _heading(side: str, view: DecisionView) -> Iterator[str]:
    yield from _wrapped(f"{side}  {view.kind} of {view.about}: {view.verdict}", 0)
    yield from _wrapped(
        f"{short(view.digest)}, policy {view.policy_version} {short(view.policy_digest)}, "
        f"judged by code {view.code_version[:16]}",
        3,
    )


def _input(each: InputDifference) -> Iterator[str]:
    yield from _wrapped(f"{each.name} {short(each.one)} | {short(each.other)}", 2)
    telling = sorted(each.fields, key=lambda field: is_digest(str(field.one)))
    for field in telling[:SHOWN_FIELDS]:
        yield from _wrapped(field_line(field), 4)
    more = len(each.fields) - SHOWN_FIELDS + each.omitted_fields
    if more > 0:
        yield f"    and {more} more fields"


def _flip(flip: Flip) -> Iterator[str]:
    before = flip.one.verdict if flip.one else "no such limit"
    after = flip.other.verdict if flip.other else "no such limit"
    yield from _wrapped(f"{flip.limit} ({flip.gate}): {before} | {after}", 2)
    if flip.one is not None and flip.other is not None:
        yield from _wrapped(_values(flip.one, flip.other), 4)
    sources = f"; from {', '.join(flip.sources)}" if flip.sources else ""
    yield from _wrapped(f"cause: {SENTENCES[flip.cause]}{sources}", 4)


def _values(one: Judged, other: Judged) -> str:
    problems = f", problem {one.problem} | {other.problem}" if one.problem or other.problem else ""
    return (
        f"measured {_value(one.measured)} | {_value(other.measured)} {one.unit}, limit "
        f"{one.bound.replace('_', ' ')} {_value(one.limit)} | {_value(other.limit)}{problems}"
    )


def _value(value: Any) -> str:
    if value is None:
        return "none"
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain_view(view: DecisionView) -> dict[str, Any]:
    return {
        name: getattr(view, name)
        for name in ("kind", "about", "digest", "verdict", "policy_digest", "code_version")
    }


def _plain_judged(judged: Judged | None) -> dict[str, Any] | None:
    return None if judged is None else judged.model_dump(mode="json")


def _wrapped(text: str, indent: int) -> list[str]:
    first, later = " " * indent, " " * (indent + 4)
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=later, break_on_hyphens=False
    )
