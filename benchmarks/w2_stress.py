"""W2: one strategy on 500 names under eight scenarios: delay 1 or 3 bars, cost 5 to 50 bps.

The weights (lookback 120, volatility 60) are decided once; each scenario is a simulation.
Ours is `simulate_scenarios`, all eight in one pass over the weights, compared to the bit with
`simulate`, which takes them one by one and also keeps exposure, cost and totals per symbol.
Peers: NumPy with a loop over days per scenario, and vectorbt's public API per scenario.
"""

import itertools

import numpy as np
import reference
import runner
import workload_data
from w1_sweep import figures, told
from w1g_accounting import vectorbt_public

from torghut_assets.domain.backtest.accounting import AccountRules, simulate
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.lane_accounts import LaneReturns
from torghut_assets.domain.backtest.lane_scenarios import PlainScenario, simulate_scenarios

SCENARIOS = tuple(itertools.product((1, 3), (5e-4, 10e-4, 25e-4, 50e-4)))
TOLERANCE = {"net": 1e-12, "turnover": 1e-9, "sharpe": 1e-12, "drawdown": 1e-12}


def ours(returns, decided):
    plain = [PlainScenario(lag, cost) for lag, cost in SCENARIOS]
    return told(simulate_scenarios(decided, returns, plain))


def full_paths(returns, decided):
    paths = [
        simulate(decided, Conditions.proportional(returns, cost), AccountRules(lag=lag))
        for lag, cost in SCENARIOS
    ]
    return told(
        LaneReturns(
            np.array([path.net_return for path in paths]),
            np.array([np.cumsum(path.turnover)[-1] for path in paths]),
        )
    )


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
    free = simulate_scenarios(decided, returns, [PlainScenario(1, 0.0)]).net_returns
    agreement = runner.largest_difference({"net": 1e-12})(
        {"net": free},
        vectorbt_public(prices.close, reference.executed(decided, 1), 0.0),
    )
    check = runner.largest_difference(TOLERANCE)
    results = runner.compare(
        [
            runner.Contender("torghut, scenarios in step", lambda: ours(returns, decided)),
            runner.Contender(
                "torghut, full paths",
                lambda: full_paths(returns, decided),
                runner.largest_difference(dict.fromkeys(TOLERANCE, 0.0)),
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
    if chosen.growth:
        publish_growth(chosen, returns, decided)


def publish_growth(chosen, returns, decided):
    """CPU time as days or symbols grow and the other stays."""
    sizes = [(n, 500) for n in (1000, 2000, 4000, 8313)] + [(8313, n) for n in (20, 100)]
    lines = ["| W2, days x symbols, 8 scenarios | CPU | per cell |", "| ---: | ---: | ---: |"]
    for n_bars, n_symbols in sizes:
        earned = np.ascontiguousarray(returns[:n_bars, :n_symbols])
        weights = np.ascontiguousarray(decided[:n_bars, :n_symbols])
        seconds = runner.median_seconds(lambda r=earned, w=weights: ours(r, w), rounds=5)
        cells = n_bars * n_symbols * len(SCENARIOS)
        lines.append(
            f"| {n_bars:,} x {n_symbols} | {1e3 * seconds:,.2f} ms "
            f"| {1e9 * seconds / cells:.2f} ns |"
        )
    runner.publish("\n".join([*lines, "", runner.machine(), ""]), chosen.output)


if __name__ == "__main__":
    main()
