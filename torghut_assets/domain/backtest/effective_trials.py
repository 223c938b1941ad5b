"""How many independent trials a family of correlated trials amounts to.

Ten variants of one idea are not ten ideas. Two measures, both stated, and the larger one
counts: an effective number that is too small would make luck look like skill.

Clusters: average linkage on the distance ``sqrt((1 - rho) / 2)``, cut where the silhouette
is best. It is a documented alternative to the ONC algorithm of Lopez de Prado and Lewis
(2019): same distance and same quality, but hierarchical, so that it needs no random starts
and gives the same answer on any machine. Participation ratio: ``(sum l)^2 / sum l^2`` over
the eigenvalues of the correlation matrix, which is N for uncorrelated and 1 for identical
trials.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from torghut_assets.domain.backtest.series import (
    FloatArray,
    IntArray,
    complete_matrix,
    constant_columns,
)
from torghut_assets.domain.backtest.statistics_errors import (
    ConstantSeriesError,
    ParameterRangeError,
)

_MAX_TRIALS = 5_000
_SAME_IDEA = 0.95
"""If every pair of trials is correlated at least this much, they are one cluster."""
_NO_STRUCTURE = 0.25
"""Mean silhouette below which there are no clusters (Kaufman and Rousseeuw 1990)."""
_MAX_CUTS = 100
_ROUNDED_OFF = 0.05
"""Excess of a participation ratio over a whole number that is not another trial."""


@dataclass(frozen=True)
class EffectiveTrials:
    """Effective number of independent trials, and what it rests on.

    Attributes
    ----------
    n_trials : int
        Raw number.
    n_clusters : int
        Clusters; `n_trials` if the trials have no cluster structure.
    participation_ratio : float
        In [1, n_trials].
    silhouette : float
        Mean silhouette of the chosen clusters, in [-1, 1]; NaN if there was nothing to cut.
    labels : ndarray of shape (n_trials,)
        Cluster of each trial, numbered from 0 in order of first appearance.
    """

    n_trials: int
    n_clusters: int
    participation_ratio: float
    silhouette: float
    labels: IntArray

    @property
    def n_effective(self) -> int:
        """The larger of the two measures, as a whole number of trials."""
        return min(
            self.n_trials, max(self.n_clusters, math.ceil(self.participation_ratio - _ROUNDED_OFF))
        )


def effective_trials(returns: ArrayLike) -> EffectiveTrials:
    """Count the independent trials behind a matrix of returns.

    Parameters
    ----------
    returns : array_like of shape (n_periods, n_trials)
        Returns per period, at least 3 periods and from 1 to 5,000 trials; none missing.

    Returns
    -------
    EffectiveTrials
        Every trial is its own cluster if the mean silhouette of the best cut is below 0.25;
        all are one cluster if every pair correlates at 0.95 or more.

    Raises
    ------
    ConstantSeriesError
        If a trial's returns do not vary: it has no correlation. Leave it out and count it
        as one trial.
    NonFiniteInputError, ShapeMismatchError, TooFewObservationsError, ParameterRangeError
        If the matrix is not of the stated form.

    References
    ----------
    Lopez de Prado, M. and Lewis, M. (2019). Detection of False Investment Strategies Using
    Unsupervised Learning Methods. Quantitative Finance 19(9). Rousseeuw, P. (1987).
    Silhouettes. J. of Computational and Applied Mathematics 20.
    """
    matrix = complete_matrix(returns, needed=3, location="returns")
    n_trials = matrix.shape[1]
    if n_trials > _MAX_TRIALS:
        raise ParameterRangeError(
            location="returns", found=n_trials, expected=f"at most {_MAX_TRIALS} trials"
        )
    for trial in constant_columns(matrix):
        raise ConstantSeriesError(location=f"returns, trial {trial}")
    correlation = _correlation(matrix)
    labels, silhouette = _clusters(correlation)
    return EffectiveTrials(
        n_trials=n_trials,
        n_clusters=int(labels.max()) + 1,
        participation_ratio=n_trials**2 / float(np.sum(correlation**2)),
        silhouette=silhouette,
        labels=labels,
    )


def _correlation(matrix: FloatArray) -> FloatArray:
    """Correlation of the columns, in [-1, 1], with ones on the diagonal."""
    deviation = matrix - np.mean(matrix, axis=0)
    deviation /= np.sqrt(np.sum(deviation**2, axis=0))
    correlation: FloatArray = np.clip(deviation.T @ deviation, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _clusters(correlation: FloatArray) -> tuple[IntArray, float]:
    """Labels of the best cut and its mean silhouette."""
    n_trials = correlation.shape[0]
    if correlation.min() >= _SAME_IDEA:
        return np.zeros(n_trials, dtype=np.int64), math.nan
    if n_trials == 2:
        return np.arange(2), math.nan
    from scipy.cluster.hierarchy import cut_tree, linkage
    from scipy.spatial.distance import squareform

    distance = np.sqrt((1.0 - correlation) / 2.0)
    tree = linkage(squareform(distance, checks=False), method="average")
    sizes = np.arange(2, min(n_trials - 1, _MAX_CUTS) + 1)
    cuts = cut_tree(tree, n_clusters=sizes)
    quality = [_mean_silhouette(distance, cuts[:, i]) for i in range(sizes.size)]
    best = int(np.argmax(quality))
    if quality[best] < _NO_STRUCTURE:
        return np.arange(n_trials), quality[best]
    return _in_order_of_appearance(cuts[:, best]), quality[best]


def _mean_silhouette(distance: FloatArray, labels: IntArray) -> float:
    """Mean over trials of ``(b - a) / max(a, b)``; a trial alone in its cluster has 0.

    `a` is the mean distance to the own cluster, `b` that to the nearest other cluster.
    """
    n_trials, n_clusters = labels.size, int(labels.max()) + 1
    member = np.zeros((n_trials, n_clusters))
    member[np.arange(n_trials), labels] = 1.0
    size = member.sum(axis=0)
    total = distance @ member
    own = size[labels]
    inside = total[np.arange(n_trials), labels] / np.maximum(own - 1.0, 1.0)
    outside = total / size
    outside[np.arange(n_trials), labels] = np.inf
    nearest = outside.min(axis=1)
    larger = np.maximum(inside, nearest)
    score = np.divide(nearest - inside, larger, out=np.zeros(n_trials), where=larger > 0)
    return float(np.mean(np.where(own > 1, score, 0.0)))


def _in_order_of_appearance(labels: IntArray) -> IntArray:
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.empty(first.size, dtype=np.int64)
    order[np.argsort(first)] = np.arange(first.size)
    renumbered: IntArray = order[inverse]
    return renumbered
