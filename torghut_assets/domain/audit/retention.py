"""What may be removed now, and why everything else stays: a pure function of the evidence.

Read `plan_removals` first. Whatever is not certain stays: an artifact that nobody stated, a
kind without a term, anything that something which is kept rests on. Rests on means: its bytes
name the digest anywhere, or a signed statement says that it was read to make it.
"""

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from torghut_assets.domain.audit.retention_policy import DECISIONS, RetentionPolicy
from torghut_assets.domain.evidence.removals import PlacedHold, SaidOf
from torghut_assets.domain.evidence.retention_records import PlannedRemoval, StatedAs

_DIGEST: Final = re.compile(rb"(?=([0-9a-f]{64}))")
NOT_STATED: Final = "nobody stated it"


class Held(NamedTuple):
    """An artifact that stays, and the reason."""

    artifact: str
    reason: str


@dataclass(frozen=True)
class RetentionEvidence:
    """Everything that a plan is made from.

    Parameters
    ----------
    said : mapping of str to sequence of SaidOf
        Every statement that a record was made, by each digest that it names, in order.
    rests_on : callable
        Returns the digests that an artifact rests on directly; raises if its bytes are not
        what its name says, because nobody knows then what it protects.
    sizes : mapping of str to int
        Length in bytes of every artifact that is there.
    described : mapping of str to str
        What an artifact is, for people.
    roots : mapping of str to str
        What is in force: digest to the reason. See `protected_by`.
    holds : mapping of str to PlacedHold
        By name.
    """

    said: Mapping[str, Sequence[SaidOf]]
    rests_on: Callable[[str], Iterable[str]]
    sizes: Mapping[str, int]
    described: Mapping[str, str]
    roots: Mapping[str, str]
    holds: Mapping[str, PlacedHold]


class Removable(NamedTuple):
    """What may go, in order of digests, and what stays."""

    items: tuple[PlannedRemoval, ...]
    kept: tuple[Held, ...]


def digests_in(payload: bytes) -> set[str]:
    """Return everything in some bytes that could be a digest; rather too much than too little."""
    return {found.decode("ascii") for found in _DIGEST.findall(payload)}


def plan_removals(
    evidence: RetentionEvidence, policy: RetentionPolicy, now: dt.datetime
) -> Removable:
    """Return what may be removed now.

    Raises
    ------
    EvidenceError
        If something that is kept cannot be read: what it rests on is not known then.
    """
    reasons = protected_by(evidence, policy, now)
    items, kept = [], []
    for artifact in sorted(evidence.sizes):
        if artifact in reasons:
            kept.append(Held(artifact, reasons[artifact]))
            continue
        stated = stated_as(evidence.said.get(artifact, ()), policy)
        if isinstance(stated, str):
            kept.append(Held(artifact, stated))
            continue
        item = PlannedRemoval(
            artifact=artifact,
            what=evidence.described.get(artifact, "file"),
            size_bytes=evidence.sizes[artifact],
            stated=stated,
        )
        if item.expires_at > now:
            kept.append(Held(artifact, "its term has not passed"))
        else:
            items.append(item)
    return Removable(tuple(items), tuple(kept))


def stated_as(said: Sequence[SaidOf], policy: RetentionPolicy) -> tuple[StatedAs, ...] | str:
    """Return the newest statement of each kind with its term, or why there is no term."""
    newest = {each.kind: each for each in said}
    if not newest:
        return NOT_STATED
    found = []
    for kind, each in sorted(newest.items()):
        days = policy.days(kind)
        if days is None:
            return f"{kind} is kept for good"
        found.append(
            StatedAs(
                kind=kind, sequence=each.sequence, recorded_at=each.recorded_at, keep_days=days
            )
        )
    return tuple(found)


def protected_by(
    evidence: RetentionEvidence, policy: RetentionPolicy, now: dt.datetime
) -> dict[str, str]:
    """Return every digest that must stay whatever its own term says, with the first reason.

    Legal holds come first, then what is in force, then decisions whose own term has not passed.
    """
    reasons: dict[str, str] = {}
    for name, placed in sorted(evidence.holds.items()):
        hold = placed.hold
        reason = f"held by {name}, entry {placed.sequence}"
        if hold.everything:
            roots = [*evidence.sizes]
        else:
            roots = [*hold.artifacts, *_about(evidence, hold.candidates)]
        _spread(roots, reason, evidence, reasons)
    by_reason: dict[str, list[str]] = {}
    for digest, reason in evidence.roots.items():
        by_reason.setdefault(reason, []).append(digest)
    for reason, roots in sorted(by_reason.items()):
        _spread(roots, reason, evidence, reasons)
    decided = sorted(
        digest
        for digest, said in evidence.said.items()
        if digest in evidence.sizes and any(_is_kept_decision(s, policy, now) for s in said)
    )
    _spread(decided, "a decision that is kept rests on it", evidence, reasons)
    return reasons


def _about(evidence: RetentionEvidence, candidates: Sequence[str]) -> list[str]:
    wanted = set(candidates)
    return [
        digest
        for digest, said in evidence.said.items()
        if any(each.candidate_id in wanted for each in said)
    ]


def _is_kept_decision(said: SaidOf, policy: RetentionPolicy, now: dt.datetime) -> bool:
    days = policy.days(said.kind)
    return said.kind in DECISIONS and (
        days is None or said.recorded_at + dt.timedelta(days=days) > now
    )


def _spread(
    roots: Iterable[str], reason: str, evidence: RetentionEvidence, reasons: dict[str, str]
) -> None:
    """Give a reason to roots and to everything that they rest on, if it has none yet.

    The walk goes on through what has a reason: it was walked with that reason already.
    """
    waiting = [digest for digest in roots if digest not in reasons]
    while waiting:
        digest = waiting.pop()
        if digest in reasons:
            continue
        reasons[digest] = reason
        if digest in evidence.sizes:
            waiting.extend(d for d in evidence.rests_on(digest) if d not in reasons)
