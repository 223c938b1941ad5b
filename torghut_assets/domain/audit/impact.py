"""What rests on a digest: the graph of evidence, walked against its arrows.

A record rests on what it names. The walk is breadth first, so that each record is shown with
a shortest chain of names that leads to the digest.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple


class Edge(NamedTuple):
    """`by` names `digest` at a place, or was made from it."""

    by: str
    place: str
    digest: str


class Resting(NamedTuple):
    """A record that rests on the digest, `steps` names away, through `through.place`."""

    digest: str
    steps: int
    place: str
    through: str


Namers = Callable[[Sequence[str]], Mapping[str, Sequence[Edge]]]
"""Returns, for each of some digests, the edges of the records that name it."""


def resting_on(digest: str, namers: Namers) -> tuple[Resting, ...]:
    """Return everything that rests on a digest, nearest first, each once.

    Parameters
    ----------
    digest : str
        Of a record, a table, a settings file or code.
    namers : callable
        The graph; asked once per step with all digests of that step.

    Returns
    -------
    tuple of Resting
        In order of steps, then of digests. The digest itself is never among them, also if
        records name each other in a circle.
    """
    found: list[Resting] = []
    seen = {digest}
    level: list[str] = [digest]
    steps = 0
    while level:
        steps += 1
        edges = namers(level)
        new: dict[str, Resting] = {}
        for named in level:
            for edge in sorted(edges.get(named, ())):
                if edge.by not in seen:
                    seen.add(edge.by)
                    new[edge.by] = Resting(edge.by, steps, edge.place, named)
        level = sorted(new)
        found += (new[each] for each in level)
    return tuple(found)


def chain_to(digest: str, resting: Mapping[str, Resting]) -> tuple[Resting, ...]:
    """Return the chain of names from a record down to what it rests on.

    Parameters
    ----------
    digest : str
        A key of `resting`.
    resting : mapping of str to Resting
        The result of `resting_on` by digest.
    """
    chain: list[Resting] = []
    while digest in resting:
        chain.append(resting[digest])
        digest = resting[digest].through
    return tuple(chain)
