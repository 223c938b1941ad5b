"""The compiled account against two that were written without it.

`dollar_account` keeps shares and cash in dollars and walks day by day; `published_account` is the
benchmark definition of a self-financing account in fractions of equity. Neither shares a line or
a representation with the kernel.
"""

import math

import numpy as np
import pytest

from torghut_assets.domain.backtest.accounting import AccountRules, simulate
from torghut_assets.domain.backtest.costs import Conditions, CostRates
from torghut_assets.domain.backtest.lane_grid import simulate_side_by_side


def limited(wanted, rules):
    wanted = [max(-rules.max_symbol, min(rules.max_symbol, w)) for w in wanted]
    gross = sum(abs(w) for w in wanted)
    if gross > rules.max_gross:
        wanted = [w * rules.max_gross / gross for w in wanted]
    net = abs(sum(wanted))
    if net > rules.max_net:
        wanted = [w * rules.max_net / net for w in wanted]
    return wanted


def dollar_account(weights, prices, volumes_usd, sigmas, rules, rates):
    """Equity after each bar and dollars traded, of an account with shares and cash."""
    n_bars, n_symbols = weights.shape
    cash, shares, marks = rules.equity_usd, [0.0] * n_symbols, [None] * n_symbols
    carried, cancelled, traded_at = [0] * n_symbols, [None] * n_symbols, [None] * n_symbols
    equities, traded, paid = [], [], []
    for bar in range(n_bars):
        for i in range(n_symbols):
            if not math.isnan(prices[bar][i]):
                marks[i] = prices[bar][i]
        worth = [shares[i] * marks[i] if marks[i] else 0.0 for i in range(n_symbols)]
        equity = cash + sum(worth)
        decision = weights[bar - rules.lag] if bar >= rules.lag else [0.0] * n_symbols
        dollars = costs = 0.0
        for i, fraction in enumerate(limited(decision, rules)):
            goal = fraction * equity
            if cancelled[i] is not None and cancelled[i] == decision[i]:
                carried[i] = 0
                continue
            cancelled[i] = None
            resting = traded_at[i] is not None and bar - traded_at[i] <= rules.cooldown
            same_order = carried[i] * (goal - worth[i]) > 0
            if rules.cooldown and resting and not same_order:
                if goal * worth[i] < 0:
                    goal = 0.0
                elif abs(goal) > abs(worth[i]):
                    goal = worth[i]
            carried[i] = 0
            order = goal - worth[i]
            if abs(order) < 1e-13 * equity:  # rounding of shares times price
                continue
            if goal != 0.0 and abs(order) < rules.min_trade * equity:
                continue
            most = rules.max_participation * volumes_usd[bar][i]
            fill = min(abs(order), most)
            if fill < abs(order):
                if rules.carries:
                    carried[i] = 1 if order > 0 else -1
                else:
                    cancelled[i] = decision[i]
            if fill == 0.0:
                continue
            sigma, share = sigmas[bar][i], fill / volumes_usd[bar][i]
            rate = rates.half_spread + rates.fee + rates.slippage_volatility * sigma
            rate += rates.impact * sigma * math.sqrt(share)
            signed = math.copysign(fill, order)
            cash -= signed + fill * rate
            shares[i] += signed / marks[i]
            traded_at[i] = bar
            dollars += fill
            costs += fill * rate
        worth = [shares[i] * marks[i] if marks[i] else 0.0 for i in range(n_symbols)]
        equities.append(cash + sum(worth))
        traded.append(dollars)
        paid.append(costs)
    return np.array(equities), np.array(traded), np.array(paid)


def random_world(seed):
    draw = np.random.default_rng(seed)
    n_bars, n_symbols = 90, int(draw.integers(1, 6))
    prices = 50 * np.exp(np.cumsum(draw.normal(0, 0.02, (n_bars, n_symbols)), axis=0))
    prices[draw.random(prices.shape) < 0.08] = np.nan
    volumes = np.exp(draw.normal(13.5, 1.0, prices.shape))
    volumes[np.isnan(prices) | (draw.random(prices.shape) < 0.04)] = 0.0
    sigmas = draw.uniform(0.005, 0.04, prices.shape)
    decided = draw.normal(0, 0.4, (n_bars // 3, n_symbols))  # kept for some bars, then changed
    weights = np.repeat(decided, 3, axis=0)[:n_bars]
    weights[draw.random(weights.shape) < 0.1] = 0.0
    rules = AccountRules(
        lag=int(draw.integers(1, 4)),
        max_gross=float(draw.uniform(0.5, 1.5)),
        max_net=float(draw.uniform(0.2, 1.0)),
        max_symbol=float(draw.uniform(0.2, 0.7)),
        max_participation=float(draw.uniform(0.02, 0.6)),
        min_trade=float(draw.choice([0.0, 0.01])),
        cooldown=int(draw.integers(0, 4)),
        carries=bool(draw.random() < 0.5),
        equity_usd=1e6,
    )
    rates = CostRates(half_spread=2e-4, fee=5e-5, slippage_volatility=0.05, impact=0.9)
    return prices, volumes, sigmas, weights, rules, rates


def returns_of(prices):
    """Returns by walking each column, apart from the code under test."""
    returns = np.zeros_like(prices)
    for i in range(prices.shape[1]):
        last = math.nan
        for bar, price in enumerate(prices[:, i]):
            if not math.isnan(price):
                returns[bar, i] = 0.0 if math.isnan(last) else price / last - 1.0
                last = price
    return returns


@pytest.mark.parametrize("seed", range(60))
def test_agrees_with_shares_and_cash_in_dollars(seed):
    prices, volumes, sigmas, weights, rules, rates = random_world(seed)
    equity, traded, paid = dollar_account(weights, prices, volumes, sigmas, rules, rates)
    path = simulate(weights, Conditions(returns_of(prices), volumes, sigmas, rates), rules)
    before = np.concatenate([[rules.equity_usd], equity[:-1]])
    assert np.abs(path.net_return - (equity / before - 1.0)).max() < 1e-12
    assert path.equity * rules.equity_usd == pytest.approx(equity, rel=1e-12)
    sized_on = path.equity * rules.equity_usd / (1.0 - path.cost_fraction)
    assert path.turnover * sized_on == pytest.approx(traded, rel=1e-10, abs=1e-6)
    assert path.cost_fraction * sized_on == pytest.approx(paid, rel=1e-10, abs=1e-6)
    assert path.by_symbol.traded_notional_usd.sum() == pytest.approx(traded.sum(), rel=1e-10)


def test_the_random_worlds_use_every_feature():
    """The comparison above means little if caps, cooldowns or cancels never act."""
    changed = {"max_participation": 0, "cooldown": 0, "carries": 0, "max_net": 0, "min_trade": 0}
    switched_off = {
        "max_participation": math.inf,
        "cooldown": 0,
        "max_net": math.inf,
        "min_trade": 0.0,
    }
    for seed in range(60):
        prices, volumes, sigmas, weights, rules, rates = random_world(seed)
        conditions = Conditions(returns_of(prices), volumes, sigmas, rates)
        base = simulate(weights, conditions, rules).net_return
        for name in changed:
            value = switched_off.get(name, not rules.carries)
            other = AccountRules(**{**vars(rules), name: value})
            changed[name] += not np.array_equal(
                base, simulate(weights, conditions, other).net_return
            )
    assert min(changed.values()) >= 10, changed


def published_signals(prices, lookback, window):
    """Momentum sized by volatility, as the benchmark definition W1 states it."""
    n_bars, n_symbols = prices.shape
    returns = np.zeros_like(prices)
    returns[1:] = prices[1:] / prices[:-1] - 1.0
    weights = np.zeros_like(prices)
    for t in range(max(lookback, window), n_bars):
        sigma = np.sqrt(252 * returns[t - window + 1 : t + 1].var(axis=0, ddof=1))
        sign = np.sign(prices[t] - prices[t - lookback])
        size = sign * (0.10 / math.sqrt(n_symbols)) / np.maximum(sigma, 0.05)
        weights[t] = size / max(1.0, np.abs(size).sum())
    return returns, weights


def published_account(returns, weights, lag, cost):
    n_bars, n_symbols = returns.shape
    held, kept = np.zeros(n_symbols), 1.0
    net, turnover = np.zeros(n_bars), 0.0
    for e in range(n_bars):
        target = weights[e - lag] if e >= lag else np.zeros(n_symbols)
        growth = kept + (held * returns[e]).sum()
        drifted = held * (1 + returns[e]) / growth
        traded = np.abs(target - drifted).sum()
        now_kept = 1 - cost * traded
        net[e] = growth * now_kept / kept - 1
        held, kept = target, now_kept
        turnover += traded
    return net, turnover


def sharpe(net):
    return math.sqrt(252) * net[252:].mean() / net[252:].std(ddof=1)


def geometric_prices(n_bars=700, n_symbols=20):
    draw = np.random.default_rng(11)
    return 100 * np.cumprod(1 + draw.normal(3e-4, 0.015, (n_bars, n_symbols)), axis=0)


@pytest.mark.parametrize(("lookback", "window"), [(5, 10), (120, 60), (250, 250)])
def test_reproduces_the_published_sweep(lookback, window):
    returns, weights = published_signals(geometric_prices(), lookback, window)
    net, turnover = published_account(returns, weights, 1, 5e-4)
    path = simulate(weights, Conditions.proportional(returns, 5e-4), AccountRules())
    assert np.abs(path.net_return - net).max() < 1e-12
    assert abs(path.turnover.sum() - turnover) < 1e-9
    assert abs(sharpe(path.net_return) - sharpe(net)) < 1e-12
    drawdown = (1 - np.cumprod(1 + net) / np.maximum.accumulate(np.cumprod(1 + net))).max()
    ours = (1 - path.equity / np.maximum.accumulate(path.equity)).max()
    assert abs(ours - drawdown) < 1e-12


@pytest.mark.parametrize("lag", [1, 3])
@pytest.mark.parametrize("cost_bps", [5, 10, 25, 50])
def test_reproduces_the_published_lag_and_cost_scenarios(lag, cost_bps):
    returns, weights = published_signals(geometric_prices(400), 120, 60)
    net, turnover = published_account(returns, weights, lag, cost_bps * 1e-4)
    path = simulate(
        weights, Conditions.proportional(returns, cost_bps * 1e-4), AccountRules(lag=lag)
    )
    assert np.abs(path.net_return - net).max() < 1e-12
    assert abs(path.turnover.sum() - turnover) < 1e-9


def test_reproduces_the_published_side_by_side_accounts():
    prices = geometric_prices(500)
    lookbacks = [5 + k * 245 // 39 for k in range(0, 40, 8)]
    signals = [published_signals(prices, lookback, 60) for lookback in lookbacks]
    returns = signals[0][0]
    stacked = np.concatenate([weights for _, weights in signals], axis=1)
    conditions = Conditions.proportional(returns, 5e-4)
    net, turnover = simulate_side_by_side(stacked, conditions, AccountRules(), threads=2)
    for k, (_, weights) in enumerate(signals):
        expected, traded = published_account(returns, weights, 1, 5e-4)
        assert np.abs(net[k] - expected).max() < 1e-12
        assert abs(turnover[k] - traded) < 1e-9


@pytest.mark.parametrize("seed", range(12))
def test_compiled_and_interpreted_loops_agree_to_the_bit(seed, monkeypatch):
    """The compiler may not reorder a sum: digests of records rest on it."""
    from torghut_assets.domain.backtest import accounting_kernel as kernel

    prices, volumes, sigmas, weights, rules, rates = random_world(seed)
    conditions = Conditions(returns_of(prices), volumes, sigmas, rates)
    compiled = simulate(weights, conditions, rules)
    for name in ("_clip", "_cooled", "run_account"):
        monkeypatch.setattr(kernel, name, getattr(kernel, name).py_func)
    interpreted = simulate(weights, conditions, rules)
    assert compiled.net_return.tobytes() == interpreted.net_return.tobytes()
    assert compiled.turnover.tobytes() == interpreted.turnover.tobytes()
    one, other = compiled.by_symbol, interpreted.by_symbol
    assert one.contribution.tobytes() == other.contribution.tobytes()


@pytest.mark.parametrize(("move", "cost"), [(1.5, 0.0), (0.0, 1.0)])
def test_ruin_is_the_same_interpreted(move, cost, monkeypatch):
    from torghut_assets.domain.backtest import accounting_kernel as kernel

    returns = np.array([[0.0], [0.0], [move], [0.1]])
    conditions = Conditions.proportional(returns, cost)
    compiled = simulate(-np.ones((4, 1)), conditions, AccountRules())
    for name in ("_clip", "_cooled", "run_account"):
        monkeypatch.setattr(kernel, name, getattr(kernel, name).py_func)
    interpreted = simulate(-np.ones((4, 1)), conditions, AccountRules())
    assert compiled.ruin_bar == interpreted.ruin_bar is not None
    assert compiled.equity.tobytes() == interpreted.equity.tobytes()
