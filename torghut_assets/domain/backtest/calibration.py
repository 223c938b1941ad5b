"""Do the overfitting limits refuse noise and accept an edge? Families whose truth is known.

A simulated family goes through the same steps as a candidate: walk-forward choice on train
windows, then the deflated ratio, PBO and SPA of what was chosen. How often each limit is kept
is its power (with an edge) or its error (without).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from torghut_assets.domain.backtest.deflation import DeflatedSharpe, deflated_sharpe_ratio
from torghut_assets.domain.backtest.folds import walk_forward_folds
from torghut_assets.domain.backtest.overfit import pbo_cscv
from torghut_assets.domain.backtest.overfit_sample import GridSample, trials_variance
from torghut_assets.domain.backtest.records import EvaluationSettings
from torghut_assets.domain.backtest.resample import (
    optimal_block_length,
    stationary_bootstrap_indices,
)
from torghut_assets.domain.backtest.sharpe import sharpe_ratio, standardized_moments
from torghut_assets.domain.backtest.superior_ability import reality_check_spa
from torghut_assets.domain.backtest.walk_forward_run import choose
from torghut_assets.domain.candidates.strategy import Floats
from torghut_assets.domain.errors import BadInputError

_VOLATILITY = 0.01


@dataclass(frozen=True)
class KnownFamily:
    """Variants of one idea, whose true edges fall evenly from the best to the weakest.

    Attributes
    ----------
    n_bars, n_variants : int
    edge : float
        True Sharpe ratio per bar of the best variant; 0 makes all of them noise.
    weakest : float
        Edge of the weakest variant as a share of the best one's, in [0, 1]; 1 is a plateau.
    correlation : float
        Correlation of any two variants' returns, in [0, 1).
    """

    n_bars: int
    n_variants: int
    edge: float = 0.0
    weakest: float = 1.0
    correlation: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.weakest <= 1.0:
            raise BadInputError(location="weakest", found=repr(self.weakest), expected="in [0, 1]")
        if not 0.0 <= self.correlation < 1.0:
            raise BadInputError(
                location="correlation", found=repr(self.correlation), expected="in [0, 1)"
            )

    def returns(self, generator: np.random.Generator) -> Floats:
        """Draw normal returns per bar, shape (n_bars, n_variants)."""
        own = generator.standard_normal((self.n_bars, self.n_variants))
        common = generator.standard_normal((self.n_bars, 1))
        noise = np.sqrt(self.correlation) * common + np.sqrt(1.0 - self.correlation) * own
        edges = self.edge * np.linspace(1.0, self.weakest, self.n_variants)
        drawn: Floats = _VOLATILITY * (noise + edges)
        return drawn


class Readings(NamedTuple):
    """What the three limits on overfitting look at, and the path's Sharpe ratio per bar."""

    sharpe_per_bar: float
    dsr: float
    pbo: float
    spa_p: float


def walked_forward(returns: Floats, settings: EvaluationSettings) -> GridSample:
    """Choose on every train window, and join what was chosen over the test windows.

    Parameters
    ----------
    returns : ndarray of float64, shape (n_bars, n_variants)
        Net, per bar.
    settings : EvaluationSettings

    Raises
    ------
    FoldPlanError
        If the folds do not fit.
    """
    by_variant = np.ascontiguousarray(returns.T)
    folds = walk_forward_folds(len(returns), 0, settings)
    path = [
        returns[fold.test_start : fold.test_end, choose(by_variant, fold).point] for fold in folds
    ]
    return GridSample(
        points=tuple({"variant": index} for index in range(returns.shape[1])),
        returns=np.ascontiguousarray(returns[folds[0].test_start : folds[-1].test_end]),
        path=np.concatenate(path),
        family_ratios=np.empty(0),
    )


def deflated(sample: GridSample, n_trials: int | None = None) -> DeflatedSharpe:
    """Deflated ratio of the path; by default the trials are the grid's points."""
    variance, _ = trials_variance(sample)
    skew, kurtosis = standardized_moments(sample.path)
    return deflated_sharpe_ratio(
        sharpe_ratio(sample.path),
        len(sample.path),
        skew,
        kurtosis,
        n_trials=n_trials or len(sample.points),
        trials_variance=variance,
    )


def readings(
    sample: GridSample, settings: EvaluationSettings, n_trials: int | None = None
) -> Readings:
    """Measure a sample as `overfit_evidence` does.

    Raises
    ------
    StatisticsInputError
        If a statistic is not defined.
    """
    block = max(1.0, optimal_block_length(sample.path).stationary)
    overfit = settings.overfit
    indices = stationary_bootstrap_indices(
        len(sample.path), block, overfit.resamples, np.random.default_rng(settings.seed)
    )
    models = np.column_stack([sample.path, sample.returns])
    return Readings(
        sharpe_per_bar=sharpe_ratio(sample.path),
        dsr=deflated(sample, n_trials).dsr,
        pbo=pbo_cscv(sample.returns, overfit.pbo_blocks).pbo,
        spa_p=reality_check_spa(models, indices, block).spa_p.consistent,
    )
