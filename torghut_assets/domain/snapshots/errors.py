"""How a dataset cut is refused: with every finding, not only the first."""

from collections.abc import Sequence

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.snapshots.records import QualityFinding

_SHOWN = 12


class SourceUnreadableError(BadInputError):
    """A market-data source is missing, torn, incomplete or not in its documented form."""


class SnapshotRefusedError(BadInputError):
    """Bars failed the data checks; nothing was stored as a snapshot.

    Parameters
    ----------
    snapshot_id : str
        Which snapshot was asked for.
    findings : sequence of QualityFinding
        All findings; those of severity `error` are the reason.
    """

    def __init__(self, *, snapshot_id: str, findings: Sequence[QualityFinding]) -> None:
        self.findings = tuple(findings)
        errors = [finding for finding in findings if finding.severity == "error"]
        lines = [f"{f.check} ({f.count}): {f.example}" for f in errors[:_SHOWN]]
        if len(errors) > _SHOWN:
            lines.append(f"and {len(errors) - _SHOWN} more")
        super().__init__(
            location=f"snapshot {snapshot_id}",
            found="; ".join(lines),
            expected="bars that pass every data check",
            action="Correct the source or the universe, then take the snapshot again.",
        )


class SnapshotChangedError(BadInputError):
    """The source no longer gives the bars that were stored under this snapshot id.

    Exit status 3, not 4: the bars may be fine, but one side of the evidence was altered.
    """

    exit_code = 3

    def __init__(self, *, snapshot_id: str, difference: str) -> None:
        self.difference = difference
        super().__init__(
            location=f"snapshot {snapshot_id}",
            found=f"a source that changed since this snapshot was taken: {difference}",
            expected="the same bars as before",
            action="A snapshot is never replaced: restore the source, or take a snapshot of "
            "another date or of a universe with another name.",
        )
