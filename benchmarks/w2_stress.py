"""W2: one strategy on 500 names under eight scenarios: delay 1 or 3 bars, cost 5 to 50 bps.

The weights (lookback 120, volatility 60) are decided once; each scenario is a simulation.
Ours is `simulate`, which also keeps exposure, cost and totals per symbol. Peers: NumPy with
a loop over days for all scenarios at once, and vectorbt's public API per scenario.
"""

import itertools

import numpy as np
import reference
import runner
import workload_data
from w1_sweep import figures
from w1g_accounting import vectorbt_public

from torghut_assets.domain.backtest.accounting import (
    AccountRules,
    simulate,
    simulate_side_by_side,
)
from torghut_assets.domain.backtest.costs import Conditions

SCENARIOS = tuple(itertools.product((1, 3), (5e-4, 10e-4, 25e-4, 50e-4)))
TOLERANCE = {"net": 1e-12, "turnover": 1e-9, "sharpe": 1e-12, "drawdown": 1e-12}


def ours(returns, decided):
    paths = [
        simulate(decided, Conditions.proportional(returns, cost), AccountRules(lag=lag))
        for lag, cost in SCENARIOS
    ]
    return figures(
        np.array([path.net_return for path in paths]),
        np.array([path.turnover.sum() for path in paths]),
    )


def returns_only(returns, decided):
    found = [
        simulate_side_by_side(
            decided, Conditions.proportional(returns, cost), AccountRules(lag=lag)
        )
        for lag, cost in SCENARIOS
    ]
    return figures(np.concatenate([net for net, _ in found]), np.concatenate([t for _, t in found]))


def by_numpy(returns, decided):
    found = [
        reference.accounts(returns, reference.executed(decided, lag), cost)
        for lag, cost in SCENARIOS
    ]
    return figures(np.concatenate([net for net, _ in found]), np.concatenate([t for _, t in found]))


def by_vectorbt(close, decided, scale=1.0):
    found = [
        vectorbt_public(close, reference.executed(decided, lag), cost * scale)["net"]
        for lag, cost in SCENARIOS
    ]
    return {"net": np.concatenate(found)}


def main():
    chosen = runner.options(__doc__)
    prices = workload_data.px500()
    returns = prices.returns
    decided = reference.momentum_weights_by_sums(prices.close, 120, 60)
    free, _ = simulate_side_by_side(decided, Conditions.proportional(returns, 0.0), AccountRules())
    agreement = runner.largest_difference({"net": 1e-12})(
        {"net": free},
        vectorbt_public(prices.close, reference.executed(decided, 1), 0.0),
    )
    check = runner.largest_difference(TOLERANCE)
    results = runner.compare(
        [
            runner.Contender("torghut, full paths", lambda: ours(returns, decided)),
            runner.Contender(
                "torghut, returns only", lambda: returns_only(returns, decided), check
            ),
            runner.Contender("NumPy", lambda: by_numpy(returns, decided), check),
            runner.Contender(
                "vectorbt, public API",
                lambda: by_vectorbt(prices.close, decided),
                lambda *_: f"without fees: {agreement}",
                chosen.slow_rounds,
            ),
        ],
        chosen.rounds,
    )
    notes = [f"8 scenarios, 500 names, 8,313 bars. {runner.machine()}."]
    runner.publish(runner.markdown("W2 stress", results, notes), chosen.output)


if __name__ == "__main__":
    main()
