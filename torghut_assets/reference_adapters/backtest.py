"""Cases of the backtest statistics: two conventions at once, or several calls in one."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from torghut_assets.domain.backtest import (
    cross_validation,
    deflation,
    overfit,
    resample,
    sharpe,
    track_record,
    volatility_regimes,
    walk_forward,
)
from torghut_assets.domain.errors import BadInputError, TooFewObservationsError

_RECIPE = re.compile(
    r"RandomState\((\d+)\)\.standard_normal\((\d+)\); AR\(1\) (-?[\d.]+) in place; y\[(\d+):\]"
)


def cpcv_counts(pairs: Sequence[Sequence[int]]) -> list[cross_validation.CpcvCounts]:
    """Count for several pairs of folds and test folds."""
    return [cross_validation.cpcv_counts(folds, tests) for folds, tests in pairs]


def pbo_n_combinations(n_blocks: Sequence[int] | int) -> list[int] | int:
    """Count the splits for one or several numbers of blocks."""
    if isinstance(n_blocks, Sequence):
        return [overfit.pbo_n_combinations(blocks) for blocks in n_blocks]
    return overfit.pbo_n_combinations(n_blocks)


def expected_max_sharpe(
    n_trials: float, variance: float = 1.0, mean: float = 0.0
) -> dict[str, float]:
    """Give the published approximation next to the exact value."""
    return {
        "approximation": deflation.expected_max_sharpe(n_trials, variance, mean),
        "exact_iid_normal": deflation.expected_max_normal(n_trials, variance, mean),
    }


def deflated_sharpe_ratio_from_trials(
    sharpe: float,
    n: int,
    trial_sharpes: Sequence[float],
    skew: float = 0.0,
    kurtosis: float = 3.0,
) -> dict[str, float]:
    """Deflated ratio with both divisors of the trials' variance."""
    results = {
        ddof: deflation.deflated_sharpe_ratio_from_trials(
            sharpe, n, skew, kurtosis, trial_sharpes=trial_sharpes, ddof=ddof
        )
        for ddof in (0, 1)
    }
    return {"dsr_ddof0": results[0].dsr, "dsr_ddof1": results[1].dsr}


def psr_from_returns(returns: Sequence[float], benchmark: float = 0.0) -> dict[str, float]:
    """Probabilistic ratio with both kinds of moments; corrected ones need 4 returns."""
    population = sharpe.psr_from_returns(returns, benchmark)
    try:
        corrected = sharpe.psr_from_returns(returns, benchmark, "bias_corrected")
    except TooFewObservationsError:
        corrected = math.nan
    return {"population_moments": population, "bias_corrected_moments": corrected}


def live_vs_backtest_sharpe(**inputs: float) -> track_record.SharpeComparison:
    """Two estimates from eight numbers."""
    live, backtest = (
        track_record.SharpeEstimate(
            sharpe=inputs[f"sharpe_{which}"],
            n_obs=int(inputs[f"n_{which}"]),
            skew=inputs.get(f"skew_{which}", 0.0),
            kurtosis=inputs.get(f"kurt_{which}", 3.0),
        )
        for which in ("live", "backtest")
    )
    return track_record.live_vs_backtest_sharpe(live, backtest)


def optimal_block_length(
    x: Sequence[float] | None = None, recipe: str | None = None
) -> resample.BlockLengths:
    """Block lengths of a series, or of one that is described by a recipe.

    Raises
    ------
    BadInputError
        If there is neither a series nor a recipe of the one form that is known.
    """
    if x is not None:
        return resample.optimal_block_length(x)
    known = _RECIPE.fullmatch(recipe or "")
    if known is None:
        raise BadInputError(
            location="recipe", found=repr(recipe)[:80], expected="x, or an AR(1) recipe"
        )
    seed, count, skipped = int(known[1]), int(known[2]), int(known[4])
    series = np.random.RandomState(seed).standard_normal(count)
    for i in range(1, count):
        series[i] += float(known[3]) * series[i - 1]
    return resample.optimal_block_length(series[skipped:])


def purged_kfold_splits(**inputs: Any) -> dict[str, list[walk_forward.Split]]:
    """Split by both rules of the book."""
    return {
        "afml_7_3": cross_validation.purged_kfold_splits(**inputs, rule="afml_7_3"),
        "closed_7_1": cross_validation.purged_kfold_splits(**inputs, rule="closed_7_1"),
    }


def volatility_terciles(vol: Sequence[float], min_obs: int = 2) -> dict[str, list[Any]]:
    """Regime labels as integers, NaN where there is none."""
    found = volatility_regimes.volatility_terciles(vol, min_obs)
    labels = {"full_sample": found.full_sample, "expanding": found.expanding}
    return {"thresholds": found.thresholds.tolist()} | {
        name: [v if math.isnan(v) else int(v) for v in values.tolist()]
        for name, values in labels.items()
    }
