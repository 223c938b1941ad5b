"""Figures of one simulated path: return, risk, cost, exposure.

Undefined is `None`, never a finite number: the Sharpe ratio of a flat path, the skew of a
constant. Read `path_metrics` first.
"""

import numpy as np

from torghut_assets.domain.backtest.accounting import AccountPath
from torghut_assets.domain.backtest.records import PathMetrics
from torghut_assets.domain.candidates.strategy import Floats
from torghut_assets.domain.digests import sha256_hex

_FLAT = 1e-13
"""A standard deviation below this share of the largest return is rounding, not risk."""


def path_metrics(path: AccountPath, window: tuple[int, int], periods_per_year: int) -> PathMetrics:
    """Measure bars `[start, end)` of a path.

    Parameters
    ----------
    path : AccountPath
    window : (int, int)
        Not empty.
    periods_per_year : int
        Bars per year, for every figure named `annual`.
    """
    bars = slice(*window)
    net = path.net_return[bars]
    n_bars = len(net)
    sharpe = sharpe_per_bar(net)
    volatility = _deviation(net)
    growth = float(np.prod(1.0 + net))
    skew, kurtosis = _shape(net)
    moved = net[net != 0]
    held = path.concentration[bars][path.concentration[bars] > 0]
    ordered = float(path.ordered[bars].sum())
    traded = float(path.turnover[bars].sum())
    return PathMetrics(
        n_bars=n_bars,
        total_return_fraction=growth - 1.0,
        annual_return_fraction=annual_return(growth, n_bars, periods_per_year),
        annual_volatility_fraction=annualized(volatility, periods_per_year),
        sharpe_annual=annualized(sharpe, periods_per_year),
        sharpe_per_bar=sharpe,
        sortino_annual=annualized(_sortino(net), periods_per_year),
        skew=skew,
        kurtosis=kurtosis,
        max_drawdown_fraction=max_drawdown(net),
        hit_rate_fraction=float((moved > 0).mean()) if len(moved) else None,
        turnover_annual=traded / n_bars * periods_per_year,
        cost_annual_fraction=float(path.cost_fraction[bars].mean()) * periods_per_year,
        mean_gross_fraction=float(path.gross_exposure[bars].mean()),
        max_gross_fraction=float(path.gross_exposure[bars].max()),
        max_symbol_fraction=float(path.largest_position[bars].max()),
        concentration_hhi=float(held.mean()) if len(held) else None,
        max_participation_fraction=float(path.participation[bars].max()),
        unfilled_fraction=max(0.0, 1.0 - traded / ordered) if ordered > 0 else 0.0,
    )


def sharpe_per_bar(returns: Floats) -> float | None:
    """Mean over standard deviation (ddof=1), per bar, with no risk-free rate.

    `None` for fewer than two returns and for returns that do not vary.
    """
    ratio = float(sharpe_ratios(returns[np.newaxis])[0])
    return None if np.isnan(ratio) else ratio


def sharpe_ratios(returns: Floats) -> Floats:
    """Sharpe ratio per bar of many series at once.

    Parameters
    ----------
    returns : ndarray of float64, shape (n_series, n_bars)
        Made contiguous, so that a series' ratio does not depend on its neighbours.

    Returns
    -------
    ndarray of float64, shape (n_series,)
        NaN where `sharpe_per_bar` is `None`.
    """
    rows = np.ascontiguousarray(returns)
    ratios = np.full(len(rows), np.nan)
    if rows.shape[1] < 2:
        return ratios
    deviation = rows.std(axis=1, ddof=1)
    varies = deviation > _FLAT * np.abs(rows).max(axis=1)
    np.divide(rows.mean(axis=1), deviation, out=ratios, where=varies)
    return ratios


def annualized(per_bar: float | None, periods_per_year: int) -> float | None:
    """Scale a ratio or a volatility by the square root of the periods per year."""
    return None if per_bar is None else per_bar * float(periods_per_year) ** 0.5


def annual_return(growth: float, n_bars: int, periods_per_year: int) -> float | None:
    """Geometric return per year of `growth = end / start`; `None` if it overflows."""
    if growth <= 0.0:
        return -1.0
    with np.errstate(over="ignore"):
        yearly = float(np.exp(np.log(growth) * periods_per_year / n_bars)) - 1.0
    return yearly if np.isfinite(yearly) else None


def equity_curve(returns: Floats) -> Floats:
    """Equity after each return, starting from 1 before the first."""
    return np.asarray(np.cumprod(1.0 + returns), dtype=np.float64)


def drawdowns(returns: Floats) -> Floats:
    """Loss since the highest equity so far, as a fraction of it; the start counts as a peak."""
    equity = equity_curve(returns)
    peak = np.maximum(np.maximum.accumulate(equity), np.float64(1.0))
    loss: Floats = 1.0 - equity / peak
    return loss


def max_drawdown(returns: Floats) -> float:
    """Largest of `drawdowns`, in [0, 1]."""
    return float(drawdowns(returns).max())


def returns_digest(returns: Floats) -> str:
    """SHA-256 of returns written with 12 significant digits, one per line."""
    lines = "\n".join(f"{value + 0.0:.12g}" for value in returns.tolist())
    return sha256_hex(lines.encode("ascii"))


def _deviation(returns: Floats) -> float | None:
    """Return the standard deviation, ddof=1; 0 if it is only rounding, `None` below two returns."""
    if len(returns) < 2:
        return None
    deviation = float(returns.std(ddof=1))
    return 0.0 if deviation <= _FLAT * float(np.abs(returns).max()) else deviation


def _sortino(returns: Floats) -> float | None:
    """Mean over the root mean square of the losses (target 0); `None` without a loss."""
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)))
    return float(returns.mean()) / downside if downside > 0.0 else None


def _shape(returns: Floats) -> tuple[float | None, float | None]:
    """Return population skew and kurtosis (a normal has 3); `None` if nothing varies."""
    if not _deviation(returns):
        return None, None
    centred = returns - returns.mean()
    variance = float(np.mean(centred**2))
    skew = float(np.mean(centred**3)) / variance**1.5
    return skew, float(np.mean(centred**4)) / variance**2
