"""Splits and dividends of a session, as raw and adjusted closes around it tell them.

The adjustment factor is `close / adjusted_close`. By how much it falls from one bar to the next
is a split (a ratio of small whole numbers) or a dividend: the standard back-adjustment
multiplies earlier closes by `1 - dividend / close before`.
"""

import math
from fractions import Fraction
from typing import Final, NamedTuple

LARGEST_TERM: Final = 50
"""Splits of more than 50 to 1 do not occur among listed shares in practice."""
_LARGEST_DENOMINATOR: Final = 4
"""2 for 1, 3 for 2, 4 for 3, 5 for 4: finer ratios are dividends in shares, told as cash here."""
_SPLIT_FROM: Final = 0.04
_RATIO_TOLERANCE: Final = 0.005
_NO_CHANGE: Final = 5e-5


class CorporateAction(NamedTuple):
    """New shares per old one, and cash per old share in USD."""

    split_ratio: float = 1.0
    dividend_usd: float = 0.0


def corporate_action(
    close_before: float, adjusted_before: float, close: float, adjusted: float
) -> CorporateAction:
    """Return what happened to a share between two of its bars.

    Parameters
    ----------
    close_before, adjusted_before, close, adjusted : float
        Raw and adjusted closes of the bar before and of the bar itself.

    Returns
    -------
    CorporateAction
        Nothing if a price is missing, or the factor moved by less than 0.005 %, which is the
        rounding of published closes. A change of 4 % or more within 0.5 % of a ratio of whole
        numbers (up to 50 for 1, down to 5 for 4) is a split; any other fall of the factor is a
        dividend.

    References
    ----------
    CRSP, Data Definitions: factor to adjust price; back-adjusted price series.
    """
    numbers = (close_before, adjusted_before, close, adjusted)
    if not all(math.isfinite(n) and n > 0 for n in numbers):
        return CorporateAction()
    factor = (close_before / adjusted_before) / (close / adjusted)
    if abs(factor - 1.0) < _NO_CHANGE:
        return CorporateAction()
    up = max(factor, 1.0 / factor)
    ratio = Fraction(up).limit_denominator(_LARGEST_DENOMINATOR)
    near = ratio <= LARGEST_TERM and abs(float(ratio) / up - 1.0) <= _RATIO_TOLERANCE
    if up - 1.0 >= _SPLIT_FROM and near:
        return CorporateAction(split_ratio=float(ratio if factor > 1.0 else 1 / ratio))
    if factor > 1.0:
        return CorporateAction(dividend_usd=close_before * (1.0 - 1.0 / factor))
    return CorporateAction()
