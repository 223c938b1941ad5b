"""W3: statistics over the returns of a sweep, 8,061 days x 1,000 combinations (W1, cut at 252).

a) walk-forward on 200 columns; b) CSCV with 16 blocks, 12,870 splits; c) deflated Sharpe
ratio of every column; d) Reality Check and SPA, 1,000 stationary-bootstrap resamples of mean
block 10. In d) drawing the resamples is part of every contender's call, since arch and
holdout-backtest cannot be given them; arch's SPA is not studentised by the same variance and
holdout-backtest's omega comes from the resamples, so those p-values agree in size only.
"""

from statistics import NormalDist

import numpy as np
import reference
import runner
import w1_sweep
import workload_data

from torghut_assets.domain.backtest.deflation import deflated_sharpe_ratio
from torghut_assets.domain.backtest.metrics import sharpe_ratios
from torghut_assets.domain.backtest.overfit import pbo_cscv, pbo_n_combinations
from torghut_assets.domain.backtest.resample import stationary_bootstrap_indices
from torghut_assets.domain.backtest.superior_ability import reality_check_spa
from torghut_assets.domain.backtest.walk_forward import walk_forward_splits

BLOCKS = 16
RESAMPLES = 1000
MEAN_BLOCK = 10.0
SEED = 20240917


def sweep_returns(n_lookbacks=40, n_volatilities=25):
    """W1's net returns without the first 252 bars, shape (n_bars - 252, n_combinations)."""
    prices = workload_data.px20()
    grid = workload_data.sweep_grid(n_lookbacks, n_volatilities)
    net = w1_sweep.ours(w1_sweep.panel(prices), prices.returns, grid)["net"]
    return np.ascontiguousarray(net[:, 252:].T)


def walk_forward(returns):
    """W3a with the project's splits and ratios."""
    rows = np.ascontiguousarray(returns.T)
    splits = walk_forward_splits(len(returns), 756, 126, 10)
    picks, tested, joined = [], [], []
    for split in splits:
        train = slice(split.train[0], split.train[-1] + 1)
        pick = int(np.argmax(sharpe_ratios(rows[:, train])))
        test = rows[pick, split.test]
        picks.append(pick)
        tested.append(sharpe_ratios(test[np.newaxis])[0])
        joined.append(test)
    whole = sharpe_ratios(np.concatenate(joined)[np.newaxis])[0]
    return {"picks": np.array(picks), "tests": np.array(tested), "joined": whole}


def walk_forward_numpy(returns):
    picks, tested, joined = reference.walk_forward(returns)
    return {"picks": picks, "tests": tested, "joined": joined}


def cscv(returns):
    found = pbo_cscv(returns, BLOCKS)
    return {"pbo": found.pbo, "logits": found.logits}


def cscv_numpy(returns):
    logits = reference.cscv_logits_by_blocks(returns, BLOCKS)
    return {"pbo": np.mean(logits <= 0), "logits": logits}


def cscv_phacker(returns, n_blocks=BLOCKS):
    from phacker.cscv import cscv as phacker_cscv

    pbo, logits = phacker_cscv(returns[len(returns) % n_blocks :], n_blocks)
    return {"pbo": pbo, "logits": np.asarray(logits)}


def moments(returns):
    """Population ratio, skew and kurtosis (not excess) of each column."""
    centred = returns - returns.mean(axis=0)
    deviation = np.sqrt((centred**2).mean(axis=0))
    z = centred / deviation
    square = z * z
    return returns.mean(axis=0) / deviation, (square * z).mean(axis=0), (square**2).mean(axis=0)


def deflated(returns):
    ratio, skew, kurtosis = moments(returns)
    variance = float(np.var(ratio, ddof=1))
    values = [
        deflated_sharpe_ratio(
            float(ratio[k]),
            len(returns),
            float(skew[k]),
            float(kurtosis[k]),
            n_trials=ratio.size,
            trials_variance=variance,
        ).dsr
        for k in range(ratio.size)
    ]
    return {"dsr": np.array(values)}


def deflated_numpy(returns):
    ratio, skew, kurtosis = moments(returns)
    normal, n = NormalDist(), ratio.size
    gamma = 0.5772156649015329
    best = (1 - gamma) * normal.inv_cdf(1 - 1 / n) + gamma * normal.inv_cdf(1 - 1 / (n * np.e))
    hurdle = np.std(ratio, ddof=1) * best
    error = np.sqrt((1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2) / (len(returns) - 1))
    return {"dsr": np.array([normal.cdf(z) for z in (ratio - hurdle) / error])}


def superior(returns, count=RESAMPLES, block=MEAN_BLOCK):
    generator = np.random.default_rng(SEED)
    indices = stationary_bootstrap_indices(len(returns), block, count, generator)
    found = reality_check_spa(returns, indices, block)
    return {"rc": found.rc_p, "spa": found.spa_p.consistent, "statistic": found.rc_statistic}


def superior_given(returns, indices):
    """The same from index sets that are there already, as the workload defines it."""
    found = reality_check_spa(returns, indices, MEAN_BLOCK)
    return {"rc": found.rc_p, "spa": found.spa_p.consistent, "statistic": found.rc_statistic}


def superior_holdout(returns, count=RESAMPLES, block=MEAN_BLOCK):
    from holdout import spa

    options = {"n_bootstrap": count, "block_length": block, "seed": SEED}
    check = spa.reality_check(returns, **options)
    test = spa.superior_predictive_ability(returns, **options)
    return {"rc": check.pvalue, "spa": test.consistent, "statistic": check.statistic}


def superior_arch(returns):
    from arch.bootstrap import SPA

    benchmark = np.zeros(len(returns))
    options = {"block_size": int(MEAN_BLOCK), "reps": RESAMPLES, "seed": SEED}
    check = SPA(benchmark, -returns, studentize=False, **options)
    check.compute()
    test = SPA(benchmark, -returns, studentize=True, **options)
    test.compute()
    return {"rc": check.pvalues["upper"], "spa": test.pvalues["consistent"]}


def sizes_agree(ours, theirs):
    """Compare p-values of different resamples, within Monte-Carlo and definition noise."""
    for name in ("rc", "spa"):
        if not abs(ours[name] - theirs[name]) <= 0.05:
            raise AssertionError(f"{name}: {ours[name]} against {theirs[name]}")
    text = ", ".join(f"{name} {ours[name]:.3f} vs {theirs[name]:.3f}" for name in ("rc", "spa"))
    return f"p-values {text}"


def least_seconds(call, rounds=3):
    """Smallest CPU time of a warmed call."""
    call()
    times = []
    for _ in range(rounds):
        start = runner.cpu_seconds()
        call()
        times.append(runner.cpu_seconds() - start)
    return min(times)


def cscv_growth(returns):
    """W3b by blocks and by columns, ours and phacker's."""
    n_columns = returns.shape[1]
    lines = [
        "| W3b blocks | splits | columns | torghut | phacker (C++) |",
        "| ---: |" + " ---: |" * 4,
    ]
    cases = [(blocks, n_columns) for blocks in (8, 10, 12, 14, 16)]
    cases += [(BLOCKS, columns) for columns in (10, 100, 300)]
    for blocks, columns in cases:
        some = np.ascontiguousarray(returns[:, :: n_columns // columns][:, :columns])
        ours = least_seconds(lambda b=blocks, r=some: pbo_cscv(r, b))
        theirs = least_seconds(lambda b=blocks, r=some: cscv_phacker(r, b))
        splits = pbo_n_combinations(blocks)
        lines.append(f"| {blocks} | {splits:,} | {columns:,} | {ours:.4f} s | {theirs:.4f} s |")
    return "\n".join([*lines, ""])


def superior_growth(returns, rounds):
    """W3d by resamples, columns and block length; resamples are drawn in every call."""
    n_columns = returns.shape[1]
    lines = [
        "| W3d resamples | columns | mean block | torghut | holdout-backtest |",
        "| ---: |" + " ---: |" * 4,
    ]
    cases = [(count, n_columns, MEAN_BLOCK) for count in (100, 1000, 5000)]
    cases += [(RESAMPLES, columns, MEAN_BLOCK) for columns in (10, 100)]
    cases += [(RESAMPLES, n_columns, block) for block in (1.0, 2.0, 5.0, 50.0)]
    for count, columns, block in cases:
        some = np.ascontiguousarray(returns[:, :: n_columns // columns][:, :columns])
        size = (some, count, block)
        ours = least_seconds(lambda s=size: superior(*s))
        # A call of the peer on all columns takes a quarter of a minute per 1,000 resamples.
        small = count * columns <= RESAMPLES * n_columns // 10
        theirs = "-"
        if small:
            theirs = f"{least_seconds(lambda s=size: superior_holdout(*s), rounds):.2f} s"
        lines.append(f"| {count:,} | {columns:,} | {block:g} | {ours:.3f} s | {theirs} |")
    return "\n".join([*lines, ""])


def main():
    chosen = runner.options(__doc__)
    returns = sweep_returns()
    some = np.ascontiguousarray(returns[:, ::5])
    few = chosen.slow_rounds
    generator = np.random.default_rng(SEED)
    indices = stationary_bootstrap_indices(len(returns), MEAN_BLOCK, RESAMPLES, generator)
    exact = runner.largest_difference
    jobs = (
        (
            "W3a walk-forward, 200 columns",
            [
                runner.Contender("torghut", lambda: walk_forward(some)),
                runner.Contender(
                    "NumPy",
                    lambda: walk_forward_numpy(some),
                    exact({"picks": 0, "tests": 1e-12, "joined": 1e-12}),
                ),
            ],
        ),
        (
            "W3b CSCV, 12,870 splits of 1,000 columns",
            [
                runner.Contender("torghut", lambda: cscv(returns)),
                runner.Contender(
                    "phacker (C++)",
                    lambda: cscv_phacker(returns),
                    exact({"pbo": 1e-12, "logits": 1e-9}),
                ),
                runner.Contender(
                    "NumPy", lambda: cscv_numpy(returns), exact({"pbo": 1e-12, "logits": 1e-9})
                ),
            ],
        ),
        (
            "W3c deflated Sharpe ratio of 1,000 columns",
            [
                runner.Contender("torghut", lambda: deflated(returns)),
                runner.Contender("NumPy", lambda: deflated_numpy(returns), exact({"dsr": 1e-12})),
            ],
        ),
        (
            "W3d Reality Check and SPA, 1,000 resamples of 1,000 columns",
            [
                runner.Contender("torghut", lambda: superior(returns)),
                runner.Contender(
                    "torghut, resamples given",
                    lambda: superior_given(returns, indices),
                    exact({"rc": 0.0, "spa": 0.0, "statistic": 0.0}),
                ),
                runner.Contender(
                    "holdout-backtest", lambda: superior_holdout(returns), sizes_agree, few
                ),
                runner.Contender("arch", lambda: superior_arch(returns), sizes_agree, few),
            ],
        ),
    )
    for title, contenders in jobs:
        if chosen.only not in title:
            continue
        results = runner.compare(contenders, chosen.rounds)
        runner.publish(runner.markdown(title, results, [f"{runner.machine()}."]), chosen.output)
    if chosen.growth:
        runner.publish(f"Smallest CPU time of a call. {runner.machine()}.\n", chosen.output)
        runner.publish(cscv_growth(returns), chosen.output)
        runner.publish(superior_growth(returns, chosen.slow_rounds), chosen.output)


if __name__ == "__main__":
    main()
