"""Control charts that watch a stream and say when its level has changed.

Read `cusum_tabular` first. Alarms are 0-based positions in the stream. `adwin` is in a
module of its own.
"""

import math
from dataclasses import dataclass

from numpy.typing import ArrayLike

from torghut_assets.domain.tca.errors import OutOfRangeError
from torghut_assets.domain.tca.inputs import count, finite, non_negative, vector


@dataclass(frozen=True, slots=True)
class CusumChart:
    """Upper and lower sum after every observation; `None` if neither ever exceeded the limit."""

    upper: tuple[float, ...]
    lower: tuple[float, ...]
    first_alarm_index: int | None


def cusum_tabular(x: ArrayLike, target: float, k: float, h: float) -> CusumChart:
    """Two-sided tabular CUSUM, without reset after an alarm.

    `S_H = max(0, x - (target + k) + S_H)` and `S_L = max(0, (target - k) - x + S_L)` start at
    0; an alarm is a sum strictly above `h`.

    Parameters
    ----------
    x : array_like of shape (n,)
        Finite observations in time order, at least one.
    target : float
        Level in control, in the unit of `x`.
    k : float
        Slack >= 0, in the unit of `x`; half of the shift that should be found.
    h : float
        Decision limit >= 0, in the unit of `x`.

    Raises
    ------
    TooFewObservationsError, NotANumberError, OutOfRangeError, ShapeMismatchError

    References
    ----------
    Page, E. (1954). Continuous inspection schemes. Biometrika 41. Montgomery, D. and Runger,
    G. Applied Statistics and Probability for Engineers, section 16-10, equations 16-30, 16-31.
    """
    level, slack = finite(target, "target"), non_negative(k, "k")
    limit = non_negative(h, "h")
    upper, lower = [0.0], [0.0]
    for value in vector(x, "x").tolist():
        upper.append(max(0.0, value - (level + slack) + upper[-1]))
        lower.append(max(0.0, (level - slack) - value + lower[-1]))
    pairs = zip(upper[1:], lower[1:], strict=True)
    first = next((i for i, sums in enumerate(pairs) if max(sums) > limit), None)
    return CusumChart(upper=tuple(upper[1:]), lower=tuple(lower[1:]), first_alarm_index=first)


@dataclass(frozen=True, slots=True)
class Alarms:
    """Positions (0-based) at which a detector reported a change, in order."""

    alarms: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PageHinkleySettings:
    """Settings of the Page-Hinkley test.

    `delta` (>= 0) is the change that is tolerated and `threshold` (> 0) the limit of the
    test, both in the unit of the data; `alpha` in (0, 1] is the forgetting factor, and no
    alarm is raised before `min_instances` (>= 1) observations.
    """

    min_instances: int = 30
    delta: float = 0.005
    threshold: float = 50.0
    alpha: float = 0.9999


PAGE_HINKLEY_DEFAULTS = PageHinkleySettings()


def page_hinkley(x: ArrayLike, settings: PageHinkleySettings = PAGE_HINKLEY_DEFAULTS) -> Alarms:
    """Two-sided Page-Hinkley test for a change of the mean, restarted after every alarm.

    With the running mean `m` since the last alarm, `U = alpha U + (x - m) - delta` and
    `D = alpha D + (x - m) + delta`; an alarm is `U - min U > threshold` (the mean rose) or
    `max D - D > threshold` (it fell). After an alarm everything, the mean too, starts anew
    with the next observation.

    Parameters
    ----------
    x : array_like of shape (n,)
        Finite observations in time order, at least one.

    Raises
    ------
    TooFewObservationsError, NotANumberError, OutOfRangeError, ShapeMismatchError

    References
    ----------
    Page (1954). Hinkley, D. (1971). Inference about the change-point from cumulative sum
    tests. Biometrika 58(3). Defaults are those of the River library.
    """
    delta = non_negative(settings.delta, "delta")
    threshold = non_negative(settings.threshold, "threshold")
    alpha = non_negative(settings.alpha, "alpha")
    if not 0.0 < alpha <= 1.0 or threshold == 0.0:
        raise OutOfRangeError(
            location="alpha, threshold",
            found=f"{alpha:g}, {threshold:g}",
            expected="alpha in (0, 1] and a threshold above 0",
        )
    warm_up = count(settings.min_instances, "min_instances")
    alarms = []
    n, mean, rise, fall, lowest, highest = _START
    for index, value in enumerate(vector(x, "x").tolist()):
        n += 1
        mean += (value - mean) / n
        rise = alpha * rise + value - mean - delta
        fall = alpha * fall + value - mean + delta
        lowest, highest = min(lowest, rise), max(highest, fall)
        if n >= warm_up and (rise - lowest > threshold or highest - fall > threshold):
            alarms.append(index)
            n, mean, rise, fall, lowest, highest = _START
    return Alarms(alarms=tuple(alarms))


_START = (0, 0.0, 0.0, 0.0, math.inf, -math.inf)
