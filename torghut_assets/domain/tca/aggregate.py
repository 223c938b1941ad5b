"""What orders cost on average: by symbol, side, hour, order type and policy.

Read `cost_table` first. Means are weighted with notional; percentiles and counts are not.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.tca.inputs import Floats, side_sign
from torghut_assets.domain.tca.records import Horizon, OrderCosts, PaperTca
from torghut_assets.domain.tca.slippage import BPS

Dimension = Literal["all", "symbol", "side", "hour", "order_type", "policy"]
DIMENSIONS: Final[tuple[Dimension, ...]] = get_args(Dimension)

Metric = Literal[
    "shortfall_bps",
    "arrival_slippage_bps",
    "vwap_slippage_bps",
    "twap_slippage_bps",
    "effective_spread_bps",
    "realized_spread_bps",
    "realised_cost_bps",
    "excess_cost_bps",
]
METRICS: Final[tuple[Metric, ...]] = get_args(Metric)
"""`excess_cost_bps` is realised less expected cost; the others are columns of the rows."""

CONFIDENCE: Final = 0.95
_LATER: Final[dict[Horizon, int]] = {"1_session": 1, "5_sessions": 5}


@dataclass(frozen=True)
class CostSummary:
    """One metric over one group of orders, in basis points; `None` is not defined.

    `low` and `high` bound the weighted mean with 95 % confidence. `orders` counts the orders
    for which the metric is defined, `notional_usd` is their weight.
    """

    dimension: Dimension
    group: str
    metric: Metric
    orders: int
    notional_usd: float
    mean: float
    p50: float
    p95: float
    low: float | None
    high: float | None


def cost_table(
    records: Sequence[PaperTca],
    dimensions: Iterable[Dimension] = DIMENSIONS,
    metrics: Iterable[Metric] = METRICS,
) -> tuple[CostSummary, ...]:
    """Summarize the orders of some sessions by group.

    Parameters
    ----------
    records : sequence of PaperTca
        One candidate's sessions, or several candidates'.
    dimensions, metrics : iterables of str
        What to group by and what to summarize.

    Returns
    -------
    tuple of CostSummary
        Groups in alphabetical order; a group in which a metric is never defined has no row.
    """
    rows: list[tuple[OrderCosts, str]] = []
    for record in records:
        policy = policy_name(record)
        rows += [(row, policy) for row in record.orders]
    wanted = tuple(metrics)
    table: list[CostSummary] = []
    for dimension in dimensions:
        groups: dict[str, list[OrderCosts]] = {}
        for row, policy in rows:
            groups.setdefault(_group(dimension, row, policy), []).append(row)
        for name in sorted(groups):
            for metric in wanted:
                if summary := _summary(dimension, name, metric, groups[name]):
                    table.append(summary)
    return tuple(table)


def policy_name(record: PaperTca) -> str:
    """Short digest of all policies in force in a session."""
    return sha256_hex(canonical_json(dict(record.policies)))[:12]


def _group(dimension: Dimension, row: OrderCosts, policy: str) -> str:
    """Which group of the dimension an order is in; `none` for an hour without a fill."""
    if dimension == "hour":
        return "none" if row.hour_utc is None else f"{row.hour_utc:02d}"
    return {
        "all": "all",
        "symbol": row.symbol,
        "side": row.side,
        "order_type": row.order_type,
        "policy": policy,
    }[dimension]


def value_of(row: OrderCosts, metric: Metric) -> float | None:
    """One metric of one order; `None` if it is not defined."""
    if metric == "excess_cost_bps":
        if row.realised_cost_bps is None or row.expected_cost_bps is None:
            return None
        return row.realised_cost_bps - row.expected_cost_bps
    value: float | None = getattr(row, metric)
    return value


def _weight(row: OrderCosts, metric: Metric) -> float:
    """Shortfall is of the whole order, everything else of its filled part."""
    return row.notional_usd if metric == "shortfall_bps" else row.filled_notional_usd


def _summary(
    dimension: Dimension, group: str, metric: Metric, rows: Sequence[OrderCosts]
) -> CostSummary | None:
    pairs = [(v, _weight(row, metric)) for row in rows if (v := value_of(row, metric)) is not None]
    if not pairs:
        return None
    values, weights = np.array(pairs).T
    mean, low, high = weighted_mean_interval(values, weights)
    p50, p95 = np.quantile(values, [0.5, 0.95]).tolist()
    return CostSummary(
        dimension, group, metric, len(pairs), float(weights.sum()), mean, p50, p95, low, high
    )


def weighted_mean_interval(
    values: Floats, weights: Floats, confidence: float = CONFIDENCE
) -> tuple[float, float | None, float | None]:
    """Weighted mean and its confidence interval.

    The mean is a ratio `sum(w x) / sum(w)`; its variance is linearized,
    `n / (n - 1) sum(w^2 (x - mean)^2) / sum(w)^2`, and the interval uses Student's t with
    n - 1 degrees of freedom. It takes orders as independent; the gate's does not.

    Parameters
    ----------
    values, weights : ndarray of shape (n_orders,)
        Finite; weights positive.
    confidence : float
        Two-sided coverage, in (0, 1).

    Returns
    -------
    mean, low, high : float
        The bounds are `None` for one order.

    References
    ----------
    Cochran, W. (1977). Sampling Techniques, 3rd edition, section 6.4 (ratio estimator).
    """
    total = float(weights.sum())
    if not values.size or total <= 0.0:
        raise BadInputError(
            location="weights", found=f"{values.size} of sum {total:g}", expected="a positive sum"
        )
    mean = float(weights @ values) / total
    n = values.size
    if n < 2:
        return mean, None, None
    spread = float(np.sum((weights * (values - mean)) ** 2)) * n / (n - 1)
    from scipy.special import stdtrit  # late: keeps SciPy out of the import of this module

    reach = float(stdtrit(n - 1, 0.5 + confidence / 2.0)) * spread**0.5 / total
    return mean, mean - reach, mean + reach


@dataclass(frozen=True)
class LaterMarkout:
    """Notional-weighted move after the fills of those orders for which it is known."""

    horizon: Horizon
    orders: int
    mean_bps: float | None


def later_markouts(records: Sequence[PaperTca]) -> tuple[LaterMarkout, ...]:
    """Moves one and five sessions after the fills, from the closes of later sessions.

    Parameters
    ----------
    records : sequence of PaperTca
        Consecutive sessions of one candidate, oldest first. The last sessions' orders have no
        later close yet and do not count.

    Returns
    -------
    tuple of LaterMarkout
        Positive is in the trader's favour. A split or dividend on the way is taken out.
    """
    closes = [{c.symbol: c for c in record.conditions.symbols} for record in records]
    found = []
    for horizon, ahead in _LATER.items():
        moves: list[tuple[float, float]] = []
        for place, record in enumerate(records[: max(len(records) - ahead, 0)]):
            for row in record.orders:
                price = row.prices.average_fill_usd
                later = closes[place + ahead].get(row.symbol)
                if price is None or later is None or later.close_usd is None:
                    continue
                factors = [closes[place + k].get(row.symbol) for k in range(1, ahead + 1)]
                basis = [f.price_factor for f in factors if f is not None]
                if len(basis) < ahead or any(factor is None for factor in basis):
                    continue
                on_basis = later.close_usd * float(np.prod(np.array(basis, dtype=float)))
                move = side_sign(row.side) * (on_basis - price) / price * BPS
                moves.append((move, row.filled_notional_usd))
        mean = None
        if moves:
            values, weights = np.array(moves).T
            mean = float(weights @ values) / float(weights.sum())
        found.append(LaterMarkout(horizon, len(moves), mean))
    return tuple(found)
