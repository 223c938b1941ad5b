"""The table of all faults: what was done, how often, and what came of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .judge import Difference

_HEAD: Final = ("fault", "points", "lost", "doubled", "unseen", "again", "resume s", "seed")


@dataclass
class Row:
    """One kind of fault in one place.

    Attributes
    ----------
    points : int
        How often the fault really happened.
    lost, doubled, undetected : int
        What was missing at the end, there twice, or wrong without anybody saying so.
    repeated : int
        Records that were computed again, to the same bytes. Nothing depends on how often.
    longest_resume_s : float
        Wall clock until the normal command was done, in seconds; a loaded machine counts.
    """

    fault: str
    stage: str
    seed: int
    points: int = 0
    lost: int = 0
    doubled: int = 0
    undetected: int = 0
    repeated: int = 0
    longest_resume_s: float = 0.0
    details: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.undetected)

    def note(self, difference: Difference, when: str) -> None:
        """Add what one disturbed home came to."""
        self.lost += len(difference.lost)
        self.doubled += len(difference.duplicated)
        self.undetected += len(difference.broken)
        self.repeated += difference.repeated
        if difference:
            self.details.append(f"{self.fault}, {when}: {difference}")


def rendered(rows: Sequence[Row]) -> str:
    """Return the table as Markdown, with a line of sums."""
    lines = [_line(_HEAD), _line(["---"] * len(_HEAD))]
    total = Row("all", "", rows[0].seed if rows else 0)
    for row in rows:
        lines.append(_cells(row))
        total.points += row.points
        total.lost += row.lost
        total.doubled += row.doubled
        total.undetected += row.undetected
        total.repeated += row.repeated
        total.longest_resume_s = max(total.longest_resume_s, row.longest_resume_s)
    return "\n".join([*lines, _cells(total)])


def _cells(row: Row) -> str:
    numbers = (row.points, row.lost, row.doubled, row.undetected, row.repeated)
    resume = f"{row.longest_resume_s:.1f}" if row.longest_resume_s else "-"
    return _line([row.fault, *map(str, numbers), resume, str(row.seed)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
