"""Why a cost or drift statistic is refused: each reason is a class of its own.

All of them are `StatisticsInputError`s, hence `ValueError`s: a statistic that is not defined
for its input raises, it never returns a finite number.
"""

from torghut_assets.domain.errors import StatisticsInputError


class NotANumberError(StatisticsInputError):
    """A value is missing, NaN, infinite or no number at all."""

    def __init__(self, *, location: str, found: object) -> None:
        super().__init__(
            location=location,
            found=ascii(found)[:60],
            expected="finite numbers",
            action="Remove or repair the observation before measuring.",
        )


class OutOfRangeError(StatisticsInputError):
    """A number is finite but outside the range in which the formula means something."""

    def __init__(self, *, location: str, found: object, expected: str) -> None:
        super().__init__(location=location, found=ascii(found)[:60], expected=expected)


class ShapeMismatchError(StatisticsInputError):
    """Arrays that describe the same observations differ in length or dimension."""

    def __init__(self, *, location: str, found: str, expected: str) -> None:
        super().__init__(
            location=location,
            found=found,
            expected=expected,
            action="Pass one value per observation.",
        )


class UnknownSideError(StatisticsInputError):
    """A side is neither `buy` nor `sell`."""

    def __init__(self, *, location: str, found: object) -> None:
        super().__init__(
            location=location, found=ascii(found)[:60], expected="'buy' (+1) or 'sell' (-1)"
        )


class NoFillsError(StatisticsInputError):
    """An average over fills was asked for, but no share was filled."""

    def __init__(self, *, location: str) -> None:
        super().__init__(
            location=location,
            found="no filled share",
            expected="at least one fill of a positive quantity",
            action="An unfilled order has no average price; read its opportunity cost instead.",
        )


class OverfilledOrderError(StatisticsInputError):
    """More shares were filled than were ordered."""

    def __init__(self, *, filled: float, ordered: float) -> None:
        self.filled = filled
        self.ordered = ordered
        super().__init__(
            location="fills",
            found=f"{filled:g} filled",
            expected=f"at most the {ordered:g} ordered",
            action="Look for duplicate fills.",
        )


class CrossedQuoteError(StatisticsInputError):
    """A bid is above its ask."""

    def __init__(self, *, location: str, bid: float, ask: float) -> None:
        super().__init__(
            location=location,
            found=f"bid {bid:g} above ask {ask:g}",
            expected="bid <= ask",
            action="Leave crossed quotes out, as Rule 605 statistics do.",
        )
