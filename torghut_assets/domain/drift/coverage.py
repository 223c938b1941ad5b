"""Whether intervals and risk limits are broken as often as they promised.

Read `coverage_check` first. Coverage is a fraction; no observations are no evidence and
never pass.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.errors import TooFewObservationsError
from torghut_assets.domain.tca.errors import OutOfRangeError
from torghut_assets.domain.tca.inputs import (
    count,
    non_negative,
    probability,
    same_length,
    vector,
)

_BOUNDARY_SLACK = 1e-12
# Outcomes whose probability equals the observed one up to rounding are as extreme as it.
_EQUAL_LIKELY = 1.0 + 1e-7
_MOST_TRIALS = 10_000_000


@dataclass(frozen=True, slots=True)
class CoverageCheck:
    """Observed coverage, whether it lies within tolerance, and an exact binomial p-value."""

    coverage: float
    passed: bool
    binomial_p_two_sided: float


def coverage_check(n: int, covered: int, target: float, tolerance: float) -> CoverageCheck:
    """Compare the share of covered outcomes with the promised one.

    Passes when `|covered / n - target| <= tolerance`, with an absolute slack of 1e-12 so that
    exact boundaries pass. Too much coverage fails like too little: intervals that are too wide
    hide that the model lost its sharpness.

    Parameters
    ----------
    n, covered : int
        Outcomes, and how many of them lay in their interval.
    target : float
        Promised coverage, strictly between 0 and 1.
    tolerance : float
        Accepted absolute difference, >= 0.

    Returns
    -------
    CoverageCheck
        The p-value is of the exact two-sided binomial test of `target` (outcomes no more
        likely than the observed one). It informs; `passed` does not depend on it.

    Raises
    ------
    TooFewObservationsError
        For `n` = 0.
    OutOfRangeError, NotANumberError

    References
    ----------
    Vovk, V., Gammerman, A. and Shafer, G. (2005). Algorithmic Learning in a Random World.
    Angelopoulos, A. and Bates, S. (2023). Conformal prediction: a gentle introduction,
    section 4.3. Clopper, C. and Pearson, E. (1934). Biometrika 26.
    """
    trials, hits = _hits_of(n, covered, "covered")
    promised, slack = probability(target, "target"), non_negative(tolerance, "tolerance")
    coverage = hits / trials
    return CoverageCheck(
        coverage=coverage,
        passed=abs(coverage - promised) <= slack + _BOUNDARY_SLACK,
        binomial_p_two_sided=exact_binomial_p(hits, trials, promised),
    )


@dataclass(frozen=True, slots=True)
class IntervalCoverage:
    """Share of outcomes inside their intervals, and the intervals' mean width."""

    coverage: float
    mean_width: float


def interval_coverage(y: ArrayLike, lower: ArrayLike, upper: ArrayLike) -> IntervalCoverage:
    """Share of `lower <= y <= upper` (inclusive) and mean width of the intervals.

    Parameters
    ----------
    y, lower, upper : array_like of shape (n,)
        Outcomes and bounds, finite, at least one. An interval without bounds is an abstention
        and is to be counted apart.

    Returns
    -------
    IntervalCoverage
        Coverage as a fraction, width in the unit of `y`.

    Raises
    ------
    OutOfRangeError
        If a lower bound is above its upper bound.
    TooFewObservationsError, ShapeMismatchError, NotANumberError
    """
    outcome = vector(y, "y")
    low, high = vector(lower, "lower"), vector(upper, "upper")
    same_length(y=outcome, lower=low, upper=high)
    if (low > high).any():
        first = int(np.argmax(low > high))
        raise OutOfRangeError(
            location=f"lower[{first}]", found=float(low[first]), expected="at most the upper bound"
        )
    return IntervalCoverage(
        coverage=float(np.mean((low <= outcome) & (outcome <= high))),
        mean_width=float(np.mean(high - low)),
    )


@dataclass(frozen=True, slots=True)
class KupiecTest:
    """Likelihood ratio of the proportion of failures, and its chi-squared(1) p-value."""

    lr: float
    p_value: float


def kupiec_pof(n: int, exceptions: int, p: float) -> KupiecTest:
    """Kupiec's proportion-of-failures test of a value-at-risk model.

    `LR = -2 ln[(1-p)^(n-x) p^x / ((1-x/n)^(n-x) (x/n)^x)]` with `0 ln 0 = 0`, chi-squared with
    one degree of freedom if exceptions happen with probability `p`. Two-sided: too few
    exceptions are refuted as well.

    Parameters
    ----------
    n, exceptions : int
        Days, and days on which the loss exceeded the value at risk.
    p : float
        Promised probability of an exception, strictly between 0 and 1.

    Raises
    ------
    TooFewObservationsError
        For `n` = 0.
    OutOfRangeError, NotANumberError

    References
    ----------
    Kupiec, P. (1995). Techniques for verifying the accuracy of risk measurement models.
    Journal of Derivatives 3(2).
    """
    days, failures = _hits_of(n, exceptions, "exceptions")
    promised, observed = probability(p, "p"), failures / days
    lr = 0.0
    if failures:
        lr += 2.0 * failures * math.log(observed / promised)
    if failures < days:
        lr += 2.0 * (days - failures) * math.log((1.0 - observed) / (1.0 - promised))
    lr = max(lr, 0.0)
    return KupiecTest(lr=lr, p_value=math.erfc(math.sqrt(lr / 2.0)))


def exact_binomial_p(hits: int, trials: int, target: float) -> float:
    """Two-sided exact binomial p-value: total probability of outcomes no likelier than `hits`.

    Probabilities are relative to that of the mode and built outwards from it as products of
    ratios, which keeps full precision for up to 10,000,000 trials.

    Raises
    ------
    OutOfRangeError, TooFewObservationsError, NotANumberError
    """
    n, k = _hits_of(trials, hits, "hits")
    p = probability(target, "target")
    if n > _MOST_TRIALS:
        raise OutOfRangeError(location="trials", found=n, expected=f"at most {_MOST_TRIALS}")
    mode = min(int((n + 1) * p), n)
    odds = p / (1.0 - p)
    above = np.arange(mode, n, dtype=float)
    below = np.arange(mode, 0, -1, dtype=float)
    rising = np.cumprod((n - above) / (above + 1.0) * odds)
    falling = np.cumprod(below / (n - below + 1.0) / odds)
    relative = np.concatenate((falling[::-1], [1.0], rising))
    as_extreme = relative <= relative[k] * _EQUAL_LIKELY
    return min(1.0, float(relative[as_extreme].sum() / relative.sum()))


def _hits_of(n: int, hits: int, location: str) -> tuple[int, int]:
    """Require whole numbers with `0 <= hits <= n` and `n >= 1`."""
    trials, successes = count(n, "n"), count(hits, location)
    if trials == 0:
        raise TooFewObservationsError(needed=1, found=0, location="n")
    if successes > trials:
        raise OutOfRangeError(location=location, found=successes, expected=f"at most n = {trials}")
    return trials, successes
