"""Records that were built again, next to the first ones: field by field, with reasons.

Most records come out with the same digest. Two things may differ without anything being
wrong, and are named as such: digests of entries of the trial register, which bind the times of
the entries, and the digest of a record that differs for such a reason alone. Everything else that
differs has no reason, and the replay has failed.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from torghut_assets.domain.audit.differences import field_differences

ReplayOutcome = Literal["identical", "explained", "differs", "not rebuilt"]

_REGISTER_ENTRIES: Final = ("trial_register_head", "holdout.receipt_digest")
REGISTER_ENTRY: Final = "an entry of the trial register binds its time, which is new"
NAMES_EXPLAINED: Final = "it names a record that differs for explained reasons only"


class Rebuilt(NamedTuple):
    """One asset's record, first and again; `again` is `None` if it was not made."""

    asset: str
    first_digest: str
    again_digest: str | None
    first: Mapping[str, Any]
    again: Mapping[str, Any] | None


class ReplayDifference(NamedTuple):
    """A field that came out differently; `reason` is `None` if nothing explains it."""

    place: str
    first: Any
    again: Any
    reason: str | None


class ReplayedRecord(NamedTuple):
    """What came of one asset."""

    asset: str
    outcome: ReplayOutcome
    first_digest: str
    again_digest: str | None
    differences: tuple[ReplayDifference, ...]


def judge_replay(rebuilt: Sequence[Rebuilt]) -> tuple[ReplayedRecord, ...]:
    """Compare rebuilt records with the first ones.

    Parameters
    ----------
    rebuilt : sequence of Rebuilt
        In the order in which they were made: a record after those that it names.

    Returns
    -------
    tuple of ReplayedRecord
        In the same order.
    """
    explained: dict[str, str] = {}
    judged = []
    for each in rebuilt:
        found = _judged(each, explained)
        if found.outcome == "explained" and each.again_digest is not None:
            explained[each.first_digest] = each.again_digest
        judged.append(found)
    return tuple(judged)


def replay_holds(judged: Sequence[ReplayedRecord]) -> bool:
    """Whether every record came out the same, but for what is explained."""
    return bool(judged) and all(each.outcome in ("identical", "explained") for each in judged)


def _judged(each: Rebuilt, explained: Mapping[str, str]) -> ReplayedRecord:
    if each.again is None or each.again_digest is None:
        return ReplayedRecord(each.asset, "not rebuilt", each.first_digest, None, ())
    if each.again_digest == each.first_digest:
        return ReplayedRecord(each.asset, "identical", each.first_digest, each.again_digest, ())
    differences = tuple(
        ReplayDifference(place, one, other, _reason(place, one, other, explained))
        for place, one, other in field_differences(each.first, each.again)
    )
    # another digest without another field: the form itself changed, and nothing explains that
    whole = bool(differences) and all(found.reason is not None for found in differences)
    return ReplayedRecord(
        each.asset,
        "explained" if whole else "differs",
        each.first_digest,
        each.again_digest,
        differences,
    )


def _reason(place: str, one: Any, other: Any, explained: Mapping[str, str]) -> str | None:
    if place in _REGISTER_ENTRIES:
        return REGISTER_ENTRY
    if isinstance(one, str) and one in explained and explained[one] == other:
        return NAMES_EXPLAINED
    return None
