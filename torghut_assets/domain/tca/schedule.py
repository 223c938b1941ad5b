"""The Almgren-Chriss trade schedule: how to split an order over time.

Selling slowly costs risk, selling fast costs impact; risk aversion `lam` sets the balance.
"""

import math
from dataclasses import dataclass

import numpy as np

from torghut_assets.domain.tca.errors import OutOfRangeError
from torghut_assets.domain.tca.inputs import Floats, finite, non_negative, positive

_MAX_STEPS = 1_000_000


@dataclass(frozen=True, slots=True)
class ExecutionProblem:
    """An order to work off in equal steps, with linear impact.

    Parameters
    ----------
    lam : float
        Risk aversion per currency unit, >= 0. 0 minimizes expected cost alone.
    tau : float
        Length of a step; `T / tau` must be a whole number.
    sigma : float
        Price volatility in currency per share per root time unit, >= 0 (arithmetic).
    gamma, eta : float
        Permanent impact (currency per share²), >= 0, and temporary impact (currency x time
        per share²), > `gamma * tau / 2`.
    epsilon : float
        Fixed cost per share, e.g. half the spread plus fees, >= 0.
    X : float
        Shares to trade; holdings run from X to 0. A negative X mirrors the schedule.
    T : float
        Time to finish, in the unit of `tau`.
    """

    lam: float
    tau: float
    sigma: float
    gamma: float
    eta: float
    epsilon: float
    X: float
    T: float


@dataclass(frozen=True, slots=True)
class ExecutionSchedule:
    """Holdings at every step edge (n + 1), trades per step (n), cost and its variance.

    `kappa` is the urgency per time unit and `half_life` = 1 / kappa-tilde, the time in which
    holdings fall by a factor e; `None` if risk does not matter (`lam` or `sigma` 0).
    """

    holdings: tuple[float, ...]
    trades: tuple[float, ...]
    expected_cost: float
    cost_variance: float
    kappa: float
    half_life: float | None


def almgren_chriss_schedule(problem: ExecutionProblem) -> ExecutionSchedule:
    r"""Schedule that minimizes expected cost + `lam` x variance of cost.

    With `eta' = eta - gamma tau / 2` and `k'^2 = lam sigma^2 / eta'`, `kappa` solves
    `cosh(kappa tau) = 1 + tau^2 k'^2 / 2`, and holdings are
    `x_j = X sinh(kappa (T - t_j)) / sinh(kappa T)`; without risk aversion they are linear.
    Expected cost `gamma X^2 / 2 + epsilon sum |n_j| + (eta' / tau) sum n_j^2`; variance
    `sigma^2 tau sum_(j >= 1) x_j^2`.

    Returns
    -------
    ExecutionSchedule
        Cost in currency, variance in currency².

    Raises
    ------
    OutOfRangeError
        If `T` is no whole number of steps (or above 1,000,000), or impact is so permanent
        that `eta'` is not positive (the problem has no minimum).
    NotANumberError

    References
    ----------
    Almgren, R. and Chriss, N. (2000). Optimal execution of portfolio transactions. Journal
    of Risk 3(2), equations 17-20.
    """
    tau, horizon = positive(problem.tau, "tau"), positive(problem.T, "T")
    sigma, gamma = non_negative(problem.sigma, "sigma"), non_negative(problem.gamma, "gamma")
    shares, lam = finite(problem.X, "X"), non_negative(problem.lam, "lam")
    n_steps = round(horizon / tau)
    if not 1 <= n_steps <= _MAX_STEPS or abs(n_steps * tau - horizon) > 1e-9 * horizon:
        raise OutOfRangeError(
            location="T", found=horizon, expected=f"1 to {_MAX_STEPS} whole steps of tau {tau:g}"
        )
    eta_tilde = positive(problem.eta, "eta") - gamma * tau / 2.0
    if eta_tilde <= 0.0:
        raise OutOfRangeError(
            location="eta", found=problem.eta, expected=f"more than gamma*tau/2 = {gamma * tau / 2}"
        )
    kappa_tilde = math.sqrt(lam * sigma**2 / eta_tilde)
    # sinh(kappa tau / 2) = tau kappa~ / 2 is the same equation without cancellation.
    kappa = 2.0 * math.asinh(tau * kappa_tilde / 2.0) / tau
    remaining = 1.0 - np.arange(n_steps + 1) / n_steps
    holdings = shares * _decay(remaining, kappa * horizon)
    trades = -np.diff(holdings)
    return ExecutionSchedule(
        holdings=tuple(holdings.tolist()),
        trades=tuple(trades.tolist()),
        expected_cost=gamma * shares**2 / 2.0
        + non_negative(problem.epsilon, "epsilon") * float(np.abs(trades).sum())
        + eta_tilde / tau * float(trades @ trades),
        cost_variance=sigma**2 * tau * float(holdings[1:] @ holdings[1:]),
        kappa=kappa,
        half_life=1.0 / kappa_tilde if kappa_tilde > 0.0 else None,
    )


def _decay(remaining: Floats, urgency: float) -> Floats:
    """`sinh(urgency * remaining) / sinh(urgency)`, linear in the limit, without overflow."""
    if urgency < 1e-8:
        return remaining
    scaled = np.expm1(-2.0 * urgency * remaining) / math.expm1(-2.0 * urgency)
    return np.asarray(np.exp(-urgency * (1.0 - remaining)) * scaled)
