"""W1g: accounting alone. A ready matrix of targets in, net returns and turnover out.

Peers: vectorbt's public `Portfolio.from_orders`, vectorbt's bare compiled simulator (orders
only: it stops before returns), and NumPy with a loop over days. vectorbt refuses what the
last buy cannot pay in fees, so it must agree without fees; times are taken with 5 bps.
"""

import numpy as np
import reference
import runner
import workload_data

from torghut_assets.domain.backtest.accounting import AccountRules
from torghut_assets.domain.backtest.costs import Conditions
from torghut_assets.domain.backtest.lane_grid import simulate_side_by_side

COST = 5e-4
WINDOW = 60
TOLERANCE = {"net": 1e-12, "turnover": 1e-9}


def vectorbt_public(close, targets, cost):
    """Returns and turnover through the public API, one cash-sharing group per account."""
    import vectorbt as vbt

    n_symbols = close.shape[1]
    n_accounts = targets.shape[1] // n_symbols
    portfolio = vbt.Portfolio.from_orders(
        np.tile(close, (1, n_accounts)),
        size=targets,
        size_type="targetpercent",
        fees=cost,
        init_cash=1e6,
        cash_sharing=True,
        group_by=np.repeat(np.arange(n_accounts), n_symbols),
        call_seq="auto",
        freq="1D",
    )
    return {"net": portfolio.returns().to_numpy().T}


def vectorbt_simulator(close, targets, cost):
    """Orders through vectorbt's compiled loop alone, its inputs already broadcast."""
    from vectorbt.portfolio import nb as vbt_nb
    from vectorbt.portfolio.enums import CallSeqType, SizeType

    n_symbols = close.shape[1]
    n_accounts = targets.shape[1] // n_symbols
    groups = np.full(n_accounts, n_symbols)
    wide = np.tile(close, (1, n_accounts))

    def call():
        sequence = vbt_nb.build_call_seq_nb(wide.shape, groups, CallSeqType.Default)
        return vbt_nb.simulate_from_orders_nb(
            target_shape=wide.shape,
            group_lens=groups,
            init_cash=np.full(n_accounts, 1e6),
            call_seq=sequence,
            size=targets,
            price=wide,
            size_type=np.asarray(SizeType.TargetPercent),
            fees=np.asarray(cost),
            val_price=wide,
            close=wide,
            auto_call_seq=True,
        )

    return call


def ours(returns, decided, cost, threads=1):
    net, turnover = simulate_side_by_side(
        decided, Conditions.proportional(returns, cost), AccountRules(), threads=threads
    )
    return {"net": net, "turnover": turnover}


def by_day(returns, targets, cost):
    net, turnover = reference.accounts(returns, targets, cost)
    return {"net": net, "turnover": turnover}


def inputs(n_accounts=40):
    """Returns, decided weights and executed targets of `n_accounts` lookbacks."""
    prices = workload_data.px20()
    lookbacks = [grid[0] for grid in workload_data.sweep_grid(n_accounts, 2)[::2]]
    decided = np.hstack(
        [reference.momentum_weights(prices.close, lookback, WINDOW) for lookback in lookbacks]
    )
    return prices, decided, reference.executed(decided, 1)


def limit_seconds(shape, copy_rate, division_rate):
    """Least time: every target read once, every net return written, two divisions per bar."""
    n_bars, n_columns = shape
    n_accounts = n_columns // 20
    moved = 8 * n_bars * (n_columns + n_accounts)
    return moved / copy_rate + 2 * n_bars * n_accounts / division_rate


def main():
    chosen = runner.options(__doc__)
    prices, decided, targets = inputs()
    returns = prices.returns
    free = ours(returns, decided, 0.0)
    agreement = runner.largest_difference({"net": TOLERANCE["net"]})(
        free, vectorbt_public(prices.close, targets, 0.0)
    )
    bare = vectorbt_simulator(prices.close, targets, COST)
    results = runner.compare(
        [
            runner.Contender("torghut, 1 thread", lambda: ours(returns, decided, COST)),
            runner.Contender(
                "torghut, 2 threads",
                lambda: ours(returns, decided, COST, threads=2),
                runner.largest_difference({"net": 0.0, "turnover": 0.0}),
            ),
            runner.Contender(
                "NumPy, loop over days",
                lambda: by_day(returns, targets, COST),
                runner.largest_difference(TOLERANCE),
            ),
            runner.Contender(
                "vectorbt, bare simulator", bare, lambda *_: "orders only", chosen.slow_rounds
            ),
            runner.Contender(
                "vectorbt, public API",
                lambda: vectorbt_public(prices.close, targets, COST),
                lambda *_: f"without fees: {agreement}",
                chosen.slow_rounds,
            ),
        ],
        chosen.rounds,
    )
    notes = [f"40 accounts of 20 names, 8,313 bars. {runner.machine()}."]
    runner.publish(runner.markdown("W1g accounting", results, notes), chosen.output)


if __name__ == "__main__":
    main()
