"""Does a signal use the future? Computed on data up to t it must give what it gave on all data.

A difference at any bar is a look-ahead, whatever its cause: a peek at the next bar, a
normalization over the whole sample, a fill from behind, a block average. The reverse does
not hold for a sample of cuts: it finds what it samples, so `truncation_invariance` cuts
everywhere, and the conformance suite adds changes to the future itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class TruncationFinding:
    """What cutting the data everywhere showed.

    Attributes
    ----------
    first_violation : int or None
        First bar whose value changes when later bars are removed.
    n_violations : int
        Number of such bars.
    """

    first_violation: int | None
    n_violations: int

    @property
    def lookahead(self) -> bool:
        """Whether any bar's value depends on later bars."""
        return self.n_violations > 0


def rows_that_differ(one: Floats, other: Floats, *, slack: float) -> npt.NDArray[np.intp]:
    """Return indices along axis 0 where two arrays of one shape differ; NaN equals NaN.

    Parameters
    ----------
    one, other : ndarray of float64, shape (n,) or (n, m)
        Any finite or non-finite values.
    slack : float
        Largest absolute difference that still counts as equal.
    """
    with np.errstate(invalid="ignore"):
        near = np.abs(one - other) <= slack
    same = near | (one == other) | (np.isnan(one) & np.isnan(other))
    return np.flatnonzero(~same.reshape(len(same), -1).all(axis=1))


def truncation_invariance(
    signal: Callable[[Floats], Floats], values: Floats, *, slack: float = 1e-10
) -> TruncationFinding:
    """Compare `signal(values[: t + 1])[t]` with `signal(values)[t]` at every t.

    Parameters
    ----------
    signal : callable
        Takes an array of shape (k,) or (k, m), k >= 1, and returns one with k rows.
    values : ndarray of float64, shape (n,) or (n, m)
        NaN marks what is missing.
    slack : float
        Largest absolute difference that still counts as equal.

    Returns
    -------
    TruncationFinding
        Bars at which the two differ. NaN equals NaN.
    """
    whole = signal(values)
    violations = [
        t
        for t in range(len(values))
        if rows_that_differ(signal(values[: t + 1])[t:], whole[t : t + 1], slack=slack).size
    ]
    return TruncationFinding(
        first_violation=violations[0] if violations else None, n_violations=len(violations)
    )
