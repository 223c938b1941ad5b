"""Every way in which a statistic is not defined for its input.

All derive from `StatisticsInputError`, which is a `ValueError`: a statistic is either a
number that means what its name says, or one of these. There is no warning.
"""

from torghut_assets.domain.errors import StatisticsInputError


class NonFiniteInputError(StatisticsInputError):
    """An infinite value, or a missing one where none may be missing."""

    def __init__(self, *, location: str, found: str) -> None:
        super().__init__(
            location=location,
            found=found,
            expected="finite numbers",
            action="Repair the series; a statistic of it would mean nothing.",
        )


class ConstantSeriesError(StatisticsInputError):
    """A ratio to a dispersion that is zero, up to rounding."""

    def __init__(self, *, location: str, found: str = "a constant series") -> None:
        super().__init__(
            location=location,
            found=found,
            expected="values that differ",
            action="Check for a path that never trades or for stale prices.",
        )


class NoDownsideError(StatisticsInputError):
    """A ratio to losses, in a sample without any: it has no upper bound, so no value."""

    def __init__(self, *, location: str, found: str) -> None:
        super().__init__(
            location=location,
            found=found,
            expected="at least one loss",
            action="Use a longer sample, or a measure that needs no losses.",
        )


class ShapeMismatchError(StatisticsInputError):
    """Two inputs that belong together have different shapes, or one has the wrong rank."""

    def __init__(self, *, location: str, found: str, expected: str) -> None:
        super().__init__(location=location, found=found, expected=expected)


class ParameterRangeError(StatisticsInputError):
    """A parameter of a statistic outside the range in which it is defined."""

    def __init__(self, *, location: str, found: object, expected: str) -> None:
        super().__init__(location=location, found=repr(found)[:80], expected=expected)


class ImpossibleMomentsError(StatisticsInputError):
    """A skewness and kurtosis that no distribution has, or an estimator variance <= 0."""

    def __init__(self, *, skew: float, kurtosis: float, sharpe: float | None = None) -> None:
        self.skew = skew
        self.kurtosis = kurtosis
        at = "" if sharpe is None else f" at a ratio of {sharpe!r}"
        super().__init__(
            location="skew, kurtosis",
            found=f"skew {skew!r} and kurtosis {kurtosis!r}{at}",
            expected="kurtosis >= 1 + skew^2 (not excess: a normal has 3) and a positive variance",
            action="Compute both moments from the same returns.",
        )


class FoldsError(StatisticsInputError):
    """Folds, purge or embargo that do not fit the data."""

    def __init__(self, *, location: str, found: str, expected: str) -> None:
        super().__init__(
            location=location,
            found=found,
            expected=expected,
            action="Use more data, fewer folds or shorter windows.",
        )
