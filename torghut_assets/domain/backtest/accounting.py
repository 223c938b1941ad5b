"""The simulated account: weights in, one path of returns, costs and positions out.

Read `simulate` first. Weights decided at the close of bar t trade at the close of bar t + lag.
The account finances itself: trades are sized on the equity before trading and their cost is
paid from cash, which earns nothing. Backtest, walk-forward, stress and capacity all come
through here; `lane_grid` and `lane_scenarios` run many such accounts in step, to the same bits.
docs/numerics-backtest.md has the formulas.
"""

from dataclasses import dataclass, replace
from math import inf, isnan
from typing import TYPE_CHECKING, Self

import numpy as np

from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.errors import AccountRulesError, WeightsRefusedError
from torghut_assets.domain.backtest.records import RiskLimits
from torghut_assets.domain.candidates.strategy import Floats

if TYPE_CHECKING:
    from torghut_assets.domain.backtest.accounting_kernel import KernelMarket, KernelRules


@dataclass(frozen=True)
class AccountRules:
    """What the account may hold and how its orders behave.

    Attributes
    ----------
    lag : int
        Bars from decision to trade, at least 1.
    max_gross, max_net, max_symbol : float
        Limits of a target, fractions of equity; infinite for none.
    max_participation : float
        Highest share of a bar's dollar volume that one order may take.
    min_trade : float
        Smaller trades are not ordered, unless they close a position; fraction of equity.
    cooldown : int
        Bars after a trade during which a new order may not enlarge the position.
    carries : bool
        Whether an unfilled remainder keeps working towards the newest target. Otherwise the
        target is forgotten until another one is decided.
    equity_usd : float
        Equity at the first bar: turns fractions into a share of the dollar volume.
    """

    lag: int = 1
    max_gross: float = inf
    max_net: float = inf
    max_symbol: float = inf
    max_participation: float = inf
    min_trade: float = 0.0
    cooldown: int = 0
    carries: bool = True
    equity_usd: float = 1.0

    def __post_init__(self) -> None:
        if self.lag < 1:
            raise AccountRulesError(
                location="lag", found=str(self.lag), expected="at least 1: a close cannot be traded"
            )
        if self.cooldown < 0:
            raise AccountRulesError(location="cooldown", found=str(self.cooldown), expected=">= 0")
        for name in ("max_gross", "max_net", "max_symbol", "max_participation", "equity_usd"):
            value = getattr(self, name)
            if isnan(value) or value <= 0:
                raise AccountRulesError(location=name, found=repr(value), expected="above 0")
        if not 0 <= self.min_trade < inf:
            raise AccountRulesError(
                location="min_trade", found=repr(self.min_trade), expected="a number >= 0"
            )

    @classmethod
    def of(cls, limits: RiskLimits) -> Self:
        """Rules that a risk-limits record sets."""
        return cls(
            lag=limits.execution_lag_bars,
            max_gross=limits.max_gross_fraction,
            max_net=limits.max_net_fraction,
            max_symbol=limits.max_symbol_fraction,
            max_participation=limits.max_participation_fraction,
            min_trade=limits.min_trade_fraction,
            cooldown=limits.cooldown_bars,
            carries=limits.unfilled == "carry",
            equity_usd=limits.initial_equity_usd,
        )

    def later_by(self, bars: int) -> Self:
        """Return the same rules with every order later."""
        return replace(self, lag=self.lag + bars)

    def of_size(self, equity_usd: float) -> Self:
        """Return the same rules for another equity."""
        return replace(self, equity_usd=equity_usd)

    def without_participation_cap(self) -> Self:
        """Return the same rules with full fills at whatever impact that costs."""
        return replace(self, max_participation=inf)


@dataclass(frozen=True)
class SymbolTotals:
    """Sums per symbol over the counted bars; each of shape (n_symbols,).

    `contribution` sums to the sum of the net returns, `cost` to the sum of the cost
    fractions; `max_weight` is of the equity before trading.
    """

    contribution: Floats
    cost: Floats
    turnover: Floats
    max_weight: Floats
    traded_notional_usd: Floats


@dataclass(frozen=True)
class AccountPath:
    """What happened at every bar; each array of shape (n_bars,).

    Attributes
    ----------
    net_return, gross_return : ndarray
        `1 + net = (1 + gross) * (1 - cost_fraction)`; simple, per bar.
    cost_fraction, turnover, ordered : ndarray
        Cost paid, notional traded and notional ordered, of the equity before trading.
    gross_exposure, net_exposure, largest_position : ndarray
        After trading, fractions of the equity before trading.
    concentration : ndarray
        Herfindahl index of the absolute positions; 0 without a position.
    participation : ndarray
        Highest share of a symbol's dollar volume taken.
    equity : ndarray
        After trading; 1 before the first bar.
    by_symbol : SymbolTotals
    ruin_bar : int or None
        Bar at which nothing was left; later bars are all zero.
    """

    net_return: Floats
    gross_return: Floats
    cost_fraction: Floats
    turnover: Floats
    ordered: Floats
    gross_exposure: Floats
    net_exposure: Floats
    largest_position: Floats
    concentration: Floats
    participation: Floats
    equity: Floats
    by_symbol: SymbolTotals
    ruin_bar: int | None

    @property
    def n_bars(self) -> int:
        """Number of bars."""
        return len(self.net_return)


def simulate(
    weights: Floats,
    conditions: Conditions,
    rules: AccountRules,
    counted: tuple[int, int] | None = None,
) -> AccountPath:
    """Run one account through all bars.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_bars, n_symbols)
        Decided at the close of each bar, fractions of equity, finite.
    conditions : Conditions
        Returns, volumes, volatilities and costs, same shape.
    rules : AccountRules
    counted : (int, int), optional
        Bars `[start, end)` that the totals per symbol cover; all by default.

    Raises
    ------
    WeightsRefusedError
        If the shape differs from the returns' or a weight is NaN or infinite.
    """
    from torghut_assets.domain.backtest import accounting_kernel as kernel

    n_bars, n_symbols = conditions.returns.shape
    checked = checked_weights(weights, (n_bars, n_symbols))
    start, end = (0, n_bars) if counted is None else counted
    by_bar = np.empty((n_bars, kernel.BAR_FIELDS))
    by_symbol = np.empty((kernel.SYMBOL_FIELDS, n_symbols))
    market, scalars = kernel_inputs(conditions, rules)
    output = kernel.KernelOutput(by_bar, by_symbol, start, end)
    ruin = int(kernel.run_account(checked, 0, market, scalars, output))
    columns = np.ascontiguousarray(by_bar.T)
    return AccountPath(
        net_return=columns[kernel.NET],
        gross_return=columns[kernel.GROSS],
        cost_fraction=columns[kernel.COST],
        turnover=columns[kernel.TURNOVER],
        ordered=columns[kernel.ORDERED],
        gross_exposure=columns[kernel.GROSS_EXPOSURE],
        net_exposure=columns[kernel.NET_EXPOSURE],
        largest_position=columns[kernel.LARGEST],
        concentration=columns[kernel.CONCENTRATION],
        participation=columns[kernel.PARTICIPATION],
        equity=columns[kernel.EQUITY],
        by_symbol=SymbolTotals(
            contribution=by_symbol[kernel.CONTRIBUTION],
            cost=by_symbol[kernel.SYMBOL_COST],
            turnover=by_symbol[kernel.SYMBOL_TURNOVER],
            max_weight=by_symbol[kernel.MAX_WEIGHT],
            traded_notional_usd=by_symbol[kernel.TRADED_NOTIONAL],
        ),
        ruin_bar=ruin if ruin >= 0 else None,
    )


def checked_weights(weights: Floats, shape: tuple[int, int]) -> Floats:
    """Return `weights` as a contiguous float64 array of `shape`, or refuse them."""
    array = np.ascontiguousarray(weights, dtype=np.float64)
    if array.shape != shape:
        raise WeightsRefusedError(
            location="target weights",
            found=f"shape {array.shape}",
            expected=f"shape {shape}, one row per bar and one column per symbol",
        )
    if not np.isfinite(array).all():
        bar, symbol = (int(index) for index in np.argwhere(~np.isfinite(array))[0])
        raise WeightsRefusedError(
            location=f"target weights at bar {bar}, column {symbol}",
            found=repr(float(array[bar, symbol])),
            expected="a finite number; 0 where there is no opinion",
        )
    return array


def kernel_inputs(
    conditions: Conditions, rules: AccountRules
) -> "tuple[KernelMarket, KernelRules]":
    """Return conditions and rules as the compiled kernels take them."""
    from torghut_assets.domain.backtest import accounting_kernel as kernel

    market = kernel.KernelMarket(
        conditions.returns, conditions.liquidity_usd, conditions.volatility
    )
    scalars = kernel.KernelRules(
        lag=rules.lag,
        max_gross=float(rules.max_gross),
        max_net=float(rules.max_net),
        max_symbol=float(rules.max_symbol),
        max_participation=float(rules.max_participation),
        min_trade=float(rules.min_trade),
        cooldown=rules.cooldown,
        carries=rules.carries,
        equity_usd=float(rules.equity_usd),
        fixed_rate=float(conditions.rates.fixed),
        slippage=float(conditions.rates.slippage_volatility),
        impact=float(conditions.rates.impact),
    )
    return market, scalars
