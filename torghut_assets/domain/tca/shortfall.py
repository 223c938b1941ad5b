"""Implementation shortfall: what an order lost between the decision and the account.

Read `implementation_shortfall` first. It gives one total in three customary splits; that
the three agree is the check on all of them. Amounts are in currency, positive = cost.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.tca.errors import OutOfRangeError, OverfilledOrderError
from torghut_assets.domain.tca.inputs import (
    Side,
    fill_table,
    finite,
    non_negative_vector,
    positive,
    same_length,
    side_sign,
    vector,
)
from torghut_assets.domain.tca.slippage import BPS


@dataclass(frozen=True, slots=True)
class OrderOutcome:
    """An order, what was filled and the prices around it.

    Parameters
    ----------
    side : {"buy", "sell"}
    ordered : float
        Shares ordered, > 0.
    decision, arrival : float
        Price when the decision was taken, and when the order reached the market.
    fills : sequence of (quantity, price)
        May be empty.
    end : float or None
        Price at which the unfilled rest is valued. May be `None` only if nothing is unfilled.
    fees : float
        Commissions and taxes in currency; negative for a net rebate.
    """

    side: Side
    ordered: float
    decision: float
    arrival: float
    fills: Sequence[Sequence[float]]
    end: float | None
    fees: float = 0.0


@dataclass(frozen=True, slots=True)
class ExpandedShortfall:
    """Wagner and Kissell: delay on the whole order, trading, opportunity, fees."""

    delay: float
    trading: float
    opportunity: float
    fees: float
    total: float


@dataclass(frozen=True, slots=True)
class PeroldShortfall:
    """Perold: execution cost of the filled and opportunity cost of the unfilled shares."""

    execution: float
    opportunity: float
    fees: float
    total: float


@dataclass(frozen=True, slots=True)
class CfaShortfall:
    """CFA Institute: delay on the filled shares only, missed trades against the decision."""

    explicit: float
    realized: float
    delay: float
    missed: float


@dataclass(frozen=True, slots=True)
class ImplementationShortfall:
    """One shortfall in three splits; `total_bps` is relative to `ordered * decision`."""

    expanded: ExpandedShortfall
    perold: PeroldShortfall
    cfa: CfaShortfall
    total_bps: float
    fill_rate: float


def implementation_shortfall(order: OrderOutcome) -> ImplementationShortfall:
    r"""Paper minus actual profit of an order, in the splits of Perold, Wagner/Kissell and CFA.

    With `s` = +1 for a buy and -1 for a sell, `S` shares ordered, fills `s_j` at `p_j`,
    decision price `Pd`, arrival price `P0` and end price `Pn`:

    * expanded: delay `s S (P0 - Pd)`, trading `s sum s_j (p_j - P0)`,
      opportunity `s (S - sum s_j)(Pn - P0)`, fees
    * Perold: execution `s sum s_j (p_j - Pd)`, opportunity `s (S - sum s_j)(Pn - Pd)`, fees
    * CFA: explicit (fees), realized `s sum s_j (p_j - P0)`, delay `s sum s_j (P0 - Pd)`,
      missed `s (S - sum s_j)(Pn - Pd)`

    Returns
    -------
    ImplementationShortfall
        Currency amounts, positive = cost; the parts of each split add up to the same total.
        Without fills, trading and execution are 0: all is delay and opportunity.

    Raises
    ------
    OverfilledOrderError
        If more was filled than ordered.
    OutOfRangeError, NotANumberError, UnknownSideError, ShapeMismatchError
        For a price or quantity that is not a positive number, unknown fees, an unfilled rest
        without end price, an unknown side, or fills that are not pairs.

    References
    ----------
    Perold, A. (1988). The implementation shortfall: paper versus reality. Journal of
    Portfolio Management 14(3). Kissell, R. (2014). The Science of Algorithmic Trading,
    chapter 3. CFA Institute, Trade Strategy and Execution (level III).
    """
    sign = side_sign(order.side)
    ordered = positive(order.ordered, "ordered")
    decision = positive(order.decision, "decision")
    arrival = positive(order.arrival, "arrival")
    fees = finite(order.fees, "fees")
    quantity, price = fill_table(order.fills)
    filled = float(quantity.sum())
    if filled > ordered * (1.0 + 1e-12):
        raise OverfilledOrderError(filled=filled, ordered=ordered)
    unfilled = max(ordered - filled, 0.0)
    end = decision if order.end is None and unfilled == 0.0 else positive(order.end, "end")

    trading = sign * float(quantity @ (price - arrival))
    missed = sign * unfilled * (end - decision)
    execution = sign * float(quantity @ (price - decision))
    expanded_delay = sign * ordered * (arrival - decision)
    opportunity = sign * unfilled * (end - arrival)
    total = execution + missed + fees
    return ImplementationShortfall(
        expanded=ExpandedShortfall(
            delay=expanded_delay,
            trading=trading,
            opportunity=opportunity,
            fees=fees,
            total=expanded_delay + trading + opportunity + fees,
        ),
        perold=PeroldShortfall(execution=execution, opportunity=missed, fees=fees, total=total),
        cfa=CfaShortfall(
            explicit=fees,
            realized=trading,
            delay=sign * filled * (arrival - decision),
            missed=missed,
        ),
        total_bps=total / (ordered * decision) * BPS,
        fill_rate=filled / ordered,
    )


@dataclass(frozen=True, slots=True)
class ShortfallBias:
    """How far realised shortfall lies from what the cost model expected (basis points).

    `ratio` is dimensionless. NaN marks what is not defined: spread and test of a single
    order, the test of identical differences, the ratio to an expectation of zero.
    """

    bias_weighted: float
    mean: float
    sd: float
    t_stat: float
    p_two_sided: float
    rmse: float
    ratio: float


def expected_vs_realised_shortfall(
    expected_bps: ArrayLike, realised_bps: ArrayLike, notional: ArrayLike
) -> ShortfallBias:
    """Compare a cost model's expectation with what orders really cost.

    With `d = realised - expected`: `bias_weighted = sum(w d) / sum(w)`, `mean`, `sd`
    (ddof 1), paired `t_stat = mean / (sd / sqrt(n))` with n - 1 degrees of freedom, `rmse`,
    and `ratio = sum(w realised) / sum(w expected)`.

    Parameters
    ----------
    expected_bps, realised_bps : array_like of shape (n_orders,)
        Positive = cost, at least one order.
    notional : array_like of shape (n_orders,)
        Weight of each order in currency, >= 0 and not all 0.

    Raises
    ------
    TooFewObservationsError, ShapeMismatchError, NotANumberError, OutOfRangeError

    References
    ----------
    Student (1908). The probable error of a mean. Biometrika 6(1) (paired t test).
    """
    expected = vector(expected_bps, "expected_bps")
    realised = vector(realised_bps, "realised_bps")
    weight = non_negative_vector(notional, "notional")
    same_length(expected_bps=expected, realised_bps=realised, notional=weight)
    if weight.sum() == 0.0:
        raise OutOfRangeError(location="notional", found=0.0, expected="a positive sum")
    difference = realised - expected
    n = difference.size
    mean = float(difference.mean())
    sd = float(difference.std(ddof=1)) if n > 1 else math.nan
    # Differences that are equal up to rounding have no spread to test against.
    scale = float(np.abs(np.concatenate((expected, realised))).max())
    testable = n > 1 and sd > 1e-13 * scale
    t_stat = mean / (sd / math.sqrt(n)) if testable else math.nan
    weighted_expected = float(weight @ expected)
    return ShortfallBias(
        bias_weighted=float(weight @ difference) / float(weight.sum()),
        mean=mean,
        sd=sd,
        t_stat=t_stat,
        p_two_sided=_student_two_sided(t_stat, n - 1) if testable else math.nan,
        rmse=float(np.sqrt(np.mean(difference**2))),
        ratio=float(weight @ realised) / weighted_expected if weighted_expected else math.nan,
    )


def _student_two_sided(t_stat: float, degrees: int) -> float:
    """Two-sided tail probability of Student's t."""
    from scipy.special import stdtr  # late: keeps SciPy out of the import of this module

    return 2.0 * float(stdtr(degrees, -abs(t_stat)))
