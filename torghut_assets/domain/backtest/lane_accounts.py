"""Many accounts in step: a whole grid, or one account under many costs and delays.

`accounting.simulate` defines the account. What runs here are the kernels of `lane_kernel`, which
compute the same bits for eight accounts at a time. Which one runs is a rule, not a choice: the
plain kernel if a constant cost is all that stands between a target and its fill, else the
limited one. An account that is ruined is computed by `simulate`.
"""

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.accounting import (
    AccountRules,
    kernel_inputs,
    simulate,
)
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.errors import WeightsRefusedError
from torghut_assets.domain.backtest.series import ROUNDING
from torghut_assets.domain.candidates.grid_program import LANES, NOBODY
from torghut_assets.domain.candidates.strategy import Floats

if TYPE_CHECKING:
    from torghut_assets.domain.backtest.lane_kernel import Piece

_PIECE_VALUES = 1 << 16
"""Weights in the buffer at a time, 512 KiB: it stays in the second-level cache."""

_PIECE_BARS = 32


@dataclass(frozen=True)
class LaneReturns:
    """What is kept of accounts in step.

    Attributes
    ----------
    net_returns : ndarray of float64, shape (n_accounts, n_bars)
    turnover : ndarray of float64, shape (n_accounts,)
        Sum over all bars.
    """

    net_returns: Floats
    turnover: Floats

    def figures(self, periods_per_year: int, skipped_bars: int = 0) -> tuple[Floats, Floats]:
        """Annual Sharpe ratios and largest drawdowns, each of shape (n_accounts,).

        Parameters
        ----------
        periods_per_year : int
        skipped_bars : int
            First bars that the ratio leaves out; at least two must remain.

        Returns
        -------
        sharpe_annual, max_drawdown_fraction : ndarray of float64
            A ratio is NaN where returns do not vary; a drawdown counts the start as a peak.
        """
        from torghut_assets.domain.backtest.lane_rows_kernel import summarize

        n_accounts = len(self.net_returns)
        width = -(-n_accounts // LANES) * LANES
        sums, drawdowns = np.empty((2, width)), np.empty(width)
        summarize(self.net_returns, skipped_bars, sums, drawdowns)
        mean, deviation = sums[0, :n_accounts], np.sqrt(sums[1, :n_accounts])
        ratio = np.full(n_accounts, np.nan)
        np.divide(mean, deviation, out=ratio, where=deviation > ROUNDING * np.abs(mean))
        return ratio * np.sqrt(periods_per_year), drawdowns[:n_accounts]


def is_plain(conditions: Conditions, rules: AccountRules) -> bool:
    """Whether nothing but a constant cost stands between a target and its fill."""
    return (
        conditions.liquidity_usd.size == 0
        and conditions.volatility.size == 0
        and rules.max_gross == rules.max_net == rules.max_symbol == inf
        and rules.min_trade == 0.0
        and rules.cooldown == 0
    )


class AccountsInStep:
    """Accounts in blocks of eight lanes, advanced piece by piece.

    Parameters
    ----------
    rows : ndarray of int64, shape (n_blocks * LANES,)
        Which account a lane is, or `NOBODY`.
    conditions : Conditions
    rules : AccountRules
    lane_rates : ndarray of float64, shape (LANES,), optional
        Cost of each lane instead of the conditions' fixed rate; under plain rules only.
    """

    def __init__(
        self,
        rows: npt.NDArray[np.int64],
        conditions: Conditions,
        rules: AccountRules,
        lane_rates: Floats | None = None,
    ) -> None:
        from torghut_assets.domain.backtest import lane_kernel as kernel

        n_bars, n_symbols = conditions.returns.shape
        n_accounts = int(np.count_nonzero(rows != NOBODY))
        self.plain = is_plain(conditions, rules)
        self.net_returns = np.empty((n_accounts, n_bars))
        self.net_returns[:, : rules.lag] = 0.0
        self._rows, self._kernel = rows, kernel
        self._rates = np.full(LANES, conditions.rates.fixed) if lane_rates is None else lane_rates
        self._market, self._scalars = kernel_inputs(conditions, rules)
        fields = kernel.PLAIN_FIELDS if self.plain else kernel.ALL_FIELDS
        self._state = np.zeros((rows.size // LANES, (kernel.SCALARS + fields * n_symbols) * LANES))
        vectors = self._state.reshape(len(self._state), -1, LANES)
        for one in (kernel.KEPT, kernel.EQUITY, kernel.LEAST):
            vectors[:, one] = 1.0
        if not self.plain:
            by_symbol = vectors[:, kernel.SCALARS :].reshape(len(vectors), fields, n_symbols, LANES)
            by_symbol[:, kernel.FORGOTTEN] = np.nan
            by_symbol[:, kernel.LAST_TRADE] = -rules.cooldown - 1

    def advance(self, piece: "Piece") -> None:
        """Trade what was decided in one piece; the pieces of a block must come in their order."""
        if self.plain:
            self._kernel.run_plain(
                piece, self._market.returns, self._rates, self._state, self.net_returns, self._rows
            )
        else:
            self._kernel.run_limited(
                piece, self._market, self._scalars, self._state, self.net_returns, self._rows
            )

    def finished(self) -> tuple[LaneReturns, list[int]]:
        """Return the results, and the accounts whose results are not valid: they were ruined.

        Raises
        ------
        WeightsRefusedError
            If some weight was not finite.
        """
        kernel = self._kernel
        vectors = self._state.reshape(len(self._state), -1, LANES)
        asked = self._rows != NOBODY
        accounts = self._rows[asked]
        traded, odd, least, dearest = (
            vectors[:, one].ravel()[asked]
            for one in (kernel.TRADED, kernel.ODD, kernel.LEAST, kernel.DEAREST)
        )
        ruined = (least <= 0.0) | (dearest >= 1.0)
        unknown = np.isnan(odd) | ~(np.isfinite(traded) | ruined)
        if unknown.any():
            raise not_finite(int(accounts[unknown].min()))
        turnover = np.empty(accounts.size)
        turnover[accounts] = traded
        return LaneReturns(self.net_returns, turnover), sorted(accounts[ruined].tolist())


def piece_shape(n_symbols: int) -> tuple[int, int]:
    """Bars and blocks of a piece whose targets stay in the second-level cache."""
    width = n_symbols * LANES
    bars = max(4, min(_PIECE_BARS, _PIECE_VALUES // width))
    return bars, max(1, _PIECE_VALUES // (bars * width))


def run_alone(
    found: LaneReturns, account: int, weights: Floats, conditions: Conditions, rules: AccountRules
) -> None:
    """Compute one account by the definition."""
    path = simulate(weights, conditions, rules, (0, 0))
    found.net_returns[account] = path.net_return
    found.turnover[account] = np.cumsum(path.turnover)[-1] if path.n_bars else 0.0


def not_finite(account: int | None) -> WeightsRefusedError:
    """Return the refusal of weights that are not numbers; `account` None if it is not known."""
    which = "an account" if account is None else f"account {account}"
    return WeightsRefusedError(
        location=f"target weights of {which}",
        found="NaN or infinity",
        expected="finite numbers; 0 where there is no opinion",
    )
