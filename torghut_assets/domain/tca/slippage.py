"""What a fill cost against a benchmark price, and where the price went afterwards.

Read `benchmark_slippage_bps` first. Slippage is positive when it cost money, for both sides.
`markout_bps` is the one figure with the opposite sign: positive means that the price moved
in the trader's favour after the fill.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.tca.errors import NoFillsError, OutOfRangeError, ShapeMismatchError
from torghut_assets.domain.tca.inputs import (
    Floats,
    Side,
    fill_table,
    floats,
    non_negative,
    non_negative_vector,
    positive,
    positive_vector,
    same_length,
    side_sign,
)

BPS = 1e4


def slippage_bps(side: Side, average_fill: float, benchmark: float) -> float:
    """Signed distance of an average fill price from a benchmark, in basis points of it.

    `s * (average_fill - benchmark) / benchmark * 1e4`, positive = cost.

    Raises
    ------
    UnknownSideError, NotANumberError, OutOfRangeError
        For a side that is not `buy` or `sell`, or a price that is not a positive number.

    References
    ----------
    Kissell, R. (2014). The Science of Algorithmic Trading, chapter 3.
    """
    price = positive(average_fill, "average_fill")
    reference = positive(benchmark, "benchmark")
    return side_sign(side) * (price - reference) / reference * BPS


def average_fill_price(fills: Sequence[Sequence[float]]) -> float:
    """Quantity-weighted price of `[(quantity, price), ...]`; `NoFillsError` without a share."""
    quantity, price = fill_table(fills)
    filled = float(quantity.sum())
    if filled == 0.0:
        raise NoFillsError(location="fills")
    return float(quantity @ price) / filled


def benchmark_slippage_bps(
    side: Side, fills: Sequence[Sequence[float]], benchmarks: Mapping[str, float | None]
) -> dict[str, float]:
    """Slippage of an order's fills against several named benchmark prices.

    Parameters
    ----------
    side : {"buy", "sell"}
    fills : sequence of (quantity, price)
        Shares (>= 0) and price per share (> 0).
    benchmarks : mapping of name to price
        E.g. arrival, vwap, twap, close. `None` or NaN says that this benchmark does not exist
        (a VWAP of an interval in which nothing traded).

    Returns
    -------
    dict
        `avg_fill`, a price, and per benchmark name the slippage in basis points, positive =
        cost; NaN for a benchmark that does not exist.

    Raises
    ------
    NoFillsError
        If no share was filled: there is no average price, and 0 would read as "free".
    OutOfRangeError
        If a benchmark is zero, negative or infinite, or is itself named `avg_fill`.
    UnknownSideError, NotANumberError
        For an unknown side or a fill that is not a pair of numbers.

    References
    ----------
    Kissell (2014), chapter 3 (there as profit, so with the opposite sign).
    """
    side_sign(side)
    if "avg_fill" in benchmarks:
        raise OutOfRangeError(location="benchmarks", found="avg_fill", expected="another name")
    average = average_fill_price(fills)
    measured = {"avg_fill": average}
    for name, price in benchmarks.items():
        missing = price is None or math.isnan(price)
        measured[name] = math.nan if missing else slippage_bps(side, average, _given(price, name))
    return measured


def _given(price: float | None, name: str) -> float:
    """Require a benchmark price that exists, as a positive number."""
    return positive(price, f"benchmarks.{name}")


def volume_weighted_price(prices: ArrayLike, volumes: ArrayLike) -> float:
    """VWAP of an interval: `sum(price * volume) / sum(volume)`; NaN if nothing traded.

    Parameters
    ----------
    prices, volumes : array_like of shape (n_prints,)
        Prices > 0 and traded shares >= 0, at least one of each.
    """
    price = positive_vector(prices, "prices")
    volume = non_negative_vector(volumes, "volumes")
    same_length(prices=price, volumes=volume)
    traded = float(volume.sum())
    return float(price @ volume) / traded if traded > 0.0 else math.nan


def time_weighted_price(prices: ArrayLike) -> float:
    """TWAP of equally long intervals: the plain mean of their prices (> 0, at least one)."""
    return float(positive_vector(prices, "prices").mean())


def vwap_slippage_bps(
    side: Side, fills: Sequence[Sequence[float]], prices: ArrayLike, volumes: ArrayLike
) -> float:
    """Slippage of `fills` against the interval's VWAP; NaN if nothing traded in it."""
    benchmark = volume_weighted_price(prices, volumes)
    return benchmark_slippage_bps(side, fills, {"vwap": benchmark})["vwap"]


def twap_slippage_bps(side: Side, fills: Sequence[Sequence[float]], prices: ArrayLike) -> float:
    """Slippage of `fills` against the TWAP of `prices`, one per equally long interval."""
    return benchmark_slippage_bps(side, fills, {"twap": time_weighted_price(prices)})["twap"]


def markout_bps(
    side: Side,
    fills: Sequence[tuple[float, float, Sequence[float | None]]],
    horizons: Sequence[str],
) -> tuple[float, ...]:
    """Move of the midpoint after the fills, per horizon, positive = favourable.

    `s * (mid(t+h) - price) / price * 1e4`, share-weighted over the fills.

    Parameters
    ----------
    side : {"buy", "sell"}
    fills : sequence of (quantity, price, mids)
        `mids` holds one midpoint per horizon; `None` or NaN where it is not known (yet).
    horizons : sequence of str
        Names only; their number is what each `mids` must have.

    Returns
    -------
    tuple of float
        One per horizon, basis points of the fill price. NaN for a horizon at which the
        midpoint of any filled share is unknown.

    Raises
    ------
    NoFillsError, ShapeMismatchError, OutOfRangeError, NotANumberError, UnknownSideError
    """
    sign = side_sign(side)
    if len(fills) == 0:
        raise NoFillsError(location="fills")
    mids = np.empty((len(fills), len(horizons)))
    rows = []
    for i, (quantity, price, after) in enumerate(fills):
        if len(after) != len(horizons):
            raise ShapeMismatchError(
                location=f"fills[{i}]", found=f"{len(after)} mids", expected=f"{len(horizons)}"
            )
        rows.append(
            (
                non_negative(quantity, f"fills[{i}].quantity"),
                positive(price, f"fills[{i}].price"),
            )
        )
        mids[i] = known_prices(after, f"fills[{i}].mids")
    shares, prices = fill_table(rows)
    if shares.sum() == 0.0:
        raise NoFillsError(location="fills")
    filled = shares > 0.0
    moves = sign * (mids[filled] - prices[filled, None]) / prices[filled, None] * BPS
    weighted = shares[filled] @ moves / shares[filled].sum()
    return tuple(float(move) for move in weighted)


def known_prices(values: Sequence[float | None], location: str) -> Floats:
    """Prices of which some may be missing: `None` becomes NaN, all others must be positive."""
    prices = floats([math.nan if v is None else v for v in values], location)
    bad = ~np.isnan(prices) & ~((prices > 0.0) & np.isfinite(prices))
    if bad.any():
        first = int(np.argmax(bad))
        raise OutOfRangeError(
            location=f"{location}[{first}]",
            found=float(prices[first]),
            expected="a positive price, or NaN where unknown",
        )
    return prices
