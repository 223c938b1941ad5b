"""The data checks by name, and the log that collects what they find."""

from typing import Final, Literal

from torghut_assets.domain.snapshots.records import QualityFinding

CHECKS: Final[dict[str, str]] = {
    "schema": "columns, types and version are those of bar schema 1",
    "not_empty": "there is at least one bar inside the window",
    "no_nulls": "no value is null",
    "known_symbols": "every symbol belongs to the universe",
    "symbol_coverage": "every symbol of the universe has bars",
    "symbol_order": "symbols come in order, each in one piece",
    "time_order": "times of a symbol increase",
    "no_duplicates": "one bar per symbol and time",
    "inside_window": "no bar is outside the window, in particular none after the as-of date",
    "label_alignment": "daily bars are labelled 00:00 UTC, minute bars on a whole minute",
    "finite_values": "no number is NaN or infinite",
    "positive_prices": "every price is above zero",
    "price_order": "low <= open, close <= high",
    "volume_sign": "volume is zero or more",
    "zero_volume": "bars without any volume (warning)",
    "enough_rows": "every symbol has at least two bars",
    "constant_prices": "closes move",
    "stale_prices": "no close stands still for ten bars or more (warning)",
    "price_jumps": "no close is off for one bar, no adjusted close moves over 35 % (warning)",
    "sessions_only": "no bar on a day on which the exchange was closed",
    "calendar_gaps": "sessions without a bar: a warning, an error above 5 % of a symbol's span",
    "regular_hours": "minute bars outside regular trading hours (warning)",
    "missing_minutes": "minutes of regular hours without a bar (warning)",
    "ends_early": "symbols that stop before the snapshot does (warning)",
    "starts_late": "symbols that start after the snapshot does (warning)",
    "staleness": "the last bar is close enough to the as-of date",
}
"""Name of each check and what it states, in the order in which findings are reported."""

Severity = Literal["error", "warning"]
_ORDER: Final = {check: place for place, check in enumerate(CHECKS)}


class FindingLog:
    """Findings by check and severity: a count and the first example of each."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, Severity], int] = {}
        self._examples: dict[tuple[str, Severity], str] = {}

    def refuse(self, check: str, count: int, example: str) -> None:
        """Add `count` violations that forbid the use of the snapshot; zero adds nothing."""
        self._add((check, "error"), count, example)

    def note(self, check: str, count: int, example: str) -> None:
        """Add `count` observations that a reader must know; zero adds nothing."""
        self._add((check, "warning"), count, example)

    def _add(self, key: tuple[str, Severity], count: int, example: str) -> None:
        if key[0] not in CHECKS:
            raise KeyError(key[0])
        if count:
            self._counts[key] = self._counts.get(key, 0) + count
            self._examples.setdefault(key, example)

    @property
    def has_errors(self) -> bool:
        """Whether anything found so far forbids the use of the snapshot."""
        return any(severity == "error" for _, severity in self._counts)

    def findings(self) -> tuple[QualityFinding, ...]:
        """All findings, in the order of `CHECKS`, errors before warnings of one check."""
        return tuple(
            QualityFinding(
                check=check,
                severity=severity,
                count=self._counts[check, severity],
                example=self._examples[check, severity],
            )
            for check, severity in sorted(self._counts, key=lambda key: (_ORDER[key[0]], key[1]))
        )
