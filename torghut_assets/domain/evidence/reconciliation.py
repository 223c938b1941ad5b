"""Do store, ledger and event log agree? Every difference between them, and what would heal it.

Statements are the proof, events are the index, bytes are what both are about. A difference is
healed only by repeating what one of them says; nothing is invented. What a crash leaves behind
and nothing rests on is a note.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

Bytes = Literal["intact", "altered", "missing", "removed"]
Heal = Literal["none", "late_statement", "report_event", "catch_up"]
Code = Literal[
    "record_missing",
    "record_altered",
    "file_missing",
    "file_altered",
    "statement_missing",
    "statement_contradicted",
    "event_missing",
    "index_behind",
    "artifact_altered",
    "register_unstated",
    "register_lost",
    "register_contradicted",
    "tombstone_unproven",
]


class Stated(NamedTuple):
    """What a statement in the ledger says about one record."""

    sequence: int
    asset: str
    partition: str | None
    digest: str
    statement_digest: str
    files: Mapping[str, str]
    late: bool


class Reported(NamedTuple):
    """What one materialization in the event log says. `order` is its place in the log."""

    order: int
    asset: str
    partition: str | None
    digest: str
    sequence: int | None
    statement_digest: str | None


class Difference(NamedTuple):
    """Two places that do not agree. `subject` is an asset's partition, a digest or a register."""

    code: Code
    subject: str
    detail: str
    heal: Heal = "none"
    stated: Stated | None = None
    reported: Reported | None = None


class Note(NamedTuple):
    """What a crash or a repair left behind; nothing rests on it, and nothing is missing."""

    code: Literal[
        "overtaken_statement",
        "record_without_event",
        "late_statement",
        "removed_under_retention",
        "removal_unfinished",
    ]
    subject: str
    detail: str


class Findings(NamedTuple):
    """All differences and notes."""

    differences: tuple[Difference, ...]
    notes: tuple[Note, ...]


_ABSENT: Final[Mapping[Bytes, tuple[Code, Code]]] = {
    "missing": ("record_missing", "file_missing"),
    "altered": ("record_altered", "file_altered"),
}


def compare(
    stated: Sequence[Stated], reported: Sequence[Reported], stored: Mapping[str, Bytes]
) -> Findings:
    """Compare statements, events and bytes, both ways.

    Parameters
    ----------
    stated : sequence of Stated
        In the order of the ledger.
    reported : sequence of Reported
        In any order.
    stored : mapping of str to str
        State of every artifact that is there, or that a tombstone stands for; what is not in it
        is missing.
    """
    differences = [*_bytes(stated, reported, stored)]
    notes: list[Note] = []
    by_sequence = {each.sequence: each for each in stated}
    claims = {(each.asset, each.partition, each.digest) for each in stated}
    for event in reported:
        if found := _contradiction(event, by_sequence, claims, stored):
            differences.append(found)
    of_partition: dict[tuple[str, str | None], list[Stated]] = {}
    for each in stated:
        of_partition.setdefault((each.asset, each.partition), []).append(each)
        if each.late:
            detail = f"entry {each.sequence}, written after the event that it should precede"
            notes.append(Note("late_statement", place_of(each), detail))
    newest: dict[tuple[str, str | None], Reported] = {}
    for event in sorted(reported, key=lambda event: event.order):
        newest[event.asset, event.partition] = event
    events = {(event.asset, event.partition, event.digest) for event in reported}
    for key, statements in of_partition.items():
        behind, overtaken = _index(statements, newest.get(key), events, stored)
        differences += behind
        notes += overtaken
    return Findings(tuple(differences), tuple(notes))


def place_of(each: Stated | Reported) -> str:
    """Return the asset's partition as it is written everywhere."""
    return f"{each.asset}[{each.partition}]" if each.partition else each.asset


def _bytes(
    stated: Sequence[Stated], reported: Sequence[Reported], stored: Mapping[str, Bytes]
) -> list[Difference]:
    """Name what statements and events are about and what is not there as it was, each once."""
    found: dict[str, Difference] = {}
    every: tuple[Stated | Reported, ...] = (*stated, *reported)
    for each in every:
        files = each.files if isinstance(each, Stated) else {}
        for name, digest in {"": each.digest, **files}.items():
            state = stored.get(digest, "missing")
            if state in ("intact", "removed") or digest in found:
                continue
            code = _ABSENT[state][1 if name else 0]
            what = f"{name} of {place_of(each)}" if name else place_of(each)
            found[digest] = Difference(code, what, f"artifact {digest} is {state}")
    for digest, state in stored.items():
        if state == "altered" and digest not in found:
            detail = "its bytes are not what its name says"
            found[digest] = Difference("artifact_altered", digest, detail)
    return list(found.values())


def _contradiction(
    event: Reported,
    by_sequence: Mapping[int, Stated],
    claims: set[tuple[str, str | None, str]],
    stored: Mapping[str, Bytes],
) -> Difference | None:
    """Return what is wrong with an event next to the ledger."""
    claim = (event.asset, event.partition, event.digest)
    if event.sequence is not None:
        said = by_sequence.get(event.sequence)
        if said is None or (said.statement_digest, said.asset, said.partition, said.digest) != (
            event.statement_digest,
            *claim,
        ):
            what = "no such statement" if said is None else f"one about {said.digest}"
            return Difference(
                "statement_contradicted",
                place_of(event),
                f"the event names entry {event.sequence} for {event.digest}, which is {what}",
                reported=event,
            )
    if claim in claims:
        return None
    heal: Heal = "late_statement" if stored.get(event.digest) == "intact" else "none"
    detail = f"an event, and no statement, about {event.digest}"
    return Difference("statement_missing", place_of(event), detail, heal, reported=event)


def _index(
    statements: Sequence[Stated],
    newest: Reported | None,
    events: set[tuple[str, str | None, str]],
    stored: Mapping[str, Bytes],
) -> tuple[list[Difference], list[Note]]:
    """Compare the newest event of a partition with its newest statement."""
    timely = [each for each in statements if not each.late] or list(statements)
    last = timely[-1]
    notes = [
        Note("overtaken_statement", place_of(each), f"entry {each.sequence} has no event")
        for each in timely[:-1]
        if (each.asset, each.partition, each.digest) not in events
    ]
    if newest is not None:
        is_late = any(each.late and each.digest == newest.digest for each in statements)
        if newest.digest == last.digest or is_late:
            return [], notes
    heal: Heal = "report_event" if stored.get(last.digest) == "intact" else "none"
    if (last.asset, last.partition, last.digest) in events:
        detail = f"it points at {newest.digest if newest else 'nothing'}, entry {last.sequence} "
        detail += f"says {last.digest}"
        return [Difference("index_behind", place_of(last), detail, heal, last)], notes
    detail = f"entry {last.sequence} about {last.digest} has no event"
    return [Difference("event_missing", place_of(last), detail, heal, last)], notes


def compare_register(
    register: str, named: Mapping[int, str], there: Mapping[int, str]
) -> tuple[Difference, ...]:
    """Compare the entries of a register that the ledger names with those that are there.

    Parameters
    ----------
    named, there : mapping of int to str
        Digest by sequence.
    """
    differences = []
    for sequence in sorted(named.keys() | there.keys()):
        subject = f"{register} entry {sequence}"
        if sequence not in there:
            detail = f"the ledger names {named[sequence]}, the register ends before"
            differences.append(Difference("register_lost", subject, detail))
        elif sequence in named and named[sequence] != there[sequence]:
            detail = f"the ledger names {named[sequence]}, found {there[sequence]}"
            differences.append(Difference("register_contradicted", subject, detail))
    unstated = sorted(there.keys() - named.keys())
    if unstated:
        detail = f"entries {unstated[0]} to {unstated[-1]} are in no statement"
        heal: Heal = "none" if differences else "catch_up"
        differences.append(Difference("register_unstated", register, detail, heal))
    return tuple(differences)
