"""How much equity a strategy can carry before its own trading costs eat its return."""

from math import exp, log
from typing import Final

from torghut_assets.domain.backtest.accounting import simulate
from torghut_assets.domain.backtest.walk_forward_run import WalkForwardRun

SMALLEST_USD: Final = 1e4
LARGEST_USD: Final = 1e12
_STEPS = 40


def capacity_usd(run: WalkForwardRun) -> float | None:
    """Equity at which the mean net out-of-sample return is zero.

    The stitched weights are simulated again at other equities, with the participation cap lifted:
    the same turnover at whatever impact it costs. The equity is found by bisection on its
    logarithm between 1e4 and 1e12 USD, to a relative error below 1e-10.

    Returns
    -------
    float or None
        USD. `None` if the strategy does not earn its costs even at 1e4 USD (no capacity);
        1e12 if it still earns them there.
    """
    rules = run.rules.without_participation_cap()
    start, end = run.out_of_sample

    def earns(equity_usd: float) -> bool:
        path = simulate(run.stitched_weights, run.conditions, rules.of_size(equity_usd))
        return float(path.net_return[start:end].mean()) > 0.0

    if not earns(SMALLEST_USD):
        return None
    if earns(LARGEST_USD):
        return LARGEST_USD
    low, high = log(SMALLEST_USD), log(LARGEST_USD)
    for _ in range(_STEPS):
        middle = (low + high) / 2.0
        if earns(exp(middle)):
            low = middle
        else:
            high = middle
    return exp(low)
