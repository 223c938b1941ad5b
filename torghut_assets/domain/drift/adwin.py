"""ADWIN: a window over a stream that grows while nothing changes and says when it does.

The window is kept as exponentially sized buckets, so memory and time per check grow with the
logarithm of its length.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from numpy.typing import ArrayLike

from torghut_assets.domain.drift.sequential import Alarms
from torghut_assets.domain.tca.errors import OutOfRangeError
from torghut_assets.domain.tca.inputs import count, probability, vector


@dataclass(frozen=True, slots=True)
class AdwinSettings:
    """Settings of ADWIN.

    `delta` in (0, 1) is the confidence value; the window is checked every `clock` (>= 1)
    observations once it holds more than `grace_period`; `max_buckets` (>= 1) of each size are
    kept; neither part of a cut may be shorter than `min_window_length` (>= 1).
    """

    delta: float = 0.002
    clock: int = 32
    max_buckets: int = 5
    min_window_length: int = 5
    grace_period: int = 10


ADWIN_DEFAULTS = AdwinSettings()


def adwin(x: ArrayLike, settings: AdwinSettings = ADWIN_DEFAULTS) -> Alarms:
    """Positions at which ADWIN finds that the mean of a stream has changed.

    The window is cut into an older part of n0 and a newer of n1 observations at bucket
    borders. A change is found when their means differ by more than
    `sqrt(2 v L / m) + 2 L / (3 m)`, where `v` is the variance of the window,
    `L = ln(2 ln(n) / delta)` and `1/m = 1/(n0 - w + 1) + 1/(n1 - w + 1)` with `w` the shortest
    allowed part. After an alarm a new window starts, as in the River library, whose alarms this
    function reproduces; the paper only drops the older part, which finds the same change again.

    Parameters
    ----------
    x : array_like of shape (n,)
        Finite observations in time order, at least one. The bound assumes values of a scale
        of about 1.

    Returns
    -------
    Alarms
        0-based positions; at most one per `clock` observations.

    Raises
    ------
    TooFewObservationsError, NotANumberError, OutOfRangeError, ShapeMismatchError

    References
    ----------
    Bifet, A. and Gavalda, R. (2007). Learning from time-changing data with adaptive
    windowing. SIAM International Conference on Data Mining. Babcock, B. et al. (2003).
    Maintaining variance and k-medians over data stream windows. PODS 22.
    """
    _check(settings)
    alarms = []
    window = _Window(settings)
    for index, value in enumerate(vector(x, "x").tolist()):
        window.insert(value)
        if window.is_due() and window.has_changed():
            alarms.append(index)
            window = _Window(settings)
    return Alarms(alarms=tuple(alarms))


def _check(settings: AdwinSettings) -> None:
    """Raise unless every setting is in its range."""
    probability(settings.delta, "delta")
    count(settings.grace_period, "grace_period")
    for name in ("clock", "max_buckets", "min_window_length"):
        if count(getattr(settings, name), name) < 1:
            raise OutOfRangeError(location=name, found=0, expected="at least 1")


@dataclass(slots=True)
class _Window:
    """Totals of the window in rows of buckets: row r holds buckets of 2^r observations.

    Rows run from the newest (r = 0) to the oldest observations; within a row the oldest bucket
    comes first. `squares` is the sum of squared deviations from the mean of the window.
    """

    settings: AdwinSettings
    rows: list[list[float]] = field(default_factory=lambda: [[]])
    seen: int = 0
    total: float = 0.0
    squares: float = 0.0

    def insert(self, value: float) -> None:
        """Add an observation and merge the two oldest buckets of every row that is full."""
        if self.seen:
            self.squares += (value - self.total / self.seen) ** 2 * self.seen / (self.seen + 1)
        self.seen += 1
        self.total += value
        self.rows[0].append(value)
        row = 0
        while len(self.rows[row]) > self.settings.max_buckets:
            if row + 1 == len(self.rows):
                self.rows.append([])
            older, newer, *rest = self.rows[row]
            self.rows[row] = rest
            self.rows[row + 1].append(older + newer)
            row += 1

    def is_due(self) -> bool:
        """Whether the window is to be checked after this observation."""
        return self.seen % self.settings.clock == 0 and self.seen > self.settings.grace_period

    def has_changed(self) -> bool:
        """Whether the means of the two parts differ too much at any cut."""
        shortest = self.settings.min_window_length
        confidence = math.log(2.0 * math.log(self.seen) / self.settings.delta)
        variance = self.squares / self.seen
        for n0, total0 in self._cuts():
            n1 = self.seen - n0
            if min(n0, n1) < shortest:
                continue
            inverse = 1.0 / (n0 - shortest + 1) + 1.0 / (n1 - shortest + 1)
            bound = math.sqrt(2.0 * inverse * variance * confidence)
            bound += 2.0 / 3.0 * confidence * inverse
            if abs(total0 / n0 - (self.total - total0) / n1) > bound:
                return True
        return False

    def _cuts(self) -> Iterator[tuple[int, float]]:
        """Length and total of the older part at every cut, from the oldest bucket on."""
        length, total = 0, 0.0
        for row in reversed(range(len(self.rows))):
            for bucket in self.rows[row]:
                length += 2**row
                total += bucket
                yield length, total
