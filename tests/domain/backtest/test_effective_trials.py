"""Effective number of independent trials."""

import math

import numpy as np
import pytest

from torghut_assets.domain.backtest.effective_trials import effective_trials
from torghut_assets.domain.errors import StatisticsInputError


def blocks_of_trials(n_ideas, copies, noise, seed=1):
    rng = np.random.default_rng(seed)
    ideas = np.repeat(rng.normal(0, 1, (1500, n_ideas)), copies, axis=1)
    return ideas + noise * rng.normal(0, 1, ideas.shape)


@pytest.mark.parametrize(("n_ideas", "copies"), [(2, 10), (5, 8), (7, 20)])
def test_variants_of_an_idea_are_found_as_clusters(n_ideas, copies):
    found = effective_trials(blocks_of_trials(n_ideas, copies, 0.3))
    assert found.n_clusters == n_ideas
    assert found.labels.tolist() == np.repeat(np.arange(n_ideas), copies).tolist()
    assert found.silhouette > 0.5
    assert n_ideas <= found.n_effective <= 2 * n_ideas


def test_unrelated_trials_all_count():
    found = effective_trials(np.random.default_rng(3).normal(size=(1500, 60)))
    assert found.n_clusters == found.n_effective == 60


def test_copies_count_once():
    found = effective_trials(blocks_of_trials(1, 30, 1e-3))
    assert (found.n_clusters, found.n_effective) == (1, 1)
    assert found.participation_ratio == pytest.approx(1, abs=1e-3)
    assert math.isnan(found.silhouette)


def test_the_order_of_the_trials_does_not_matter():
    trials = blocks_of_trials(4, 6, 0.4)
    order = np.random.default_rng(0).permutation(24)
    straight, mixed = effective_trials(trials), effective_trials(trials[:, order])
    assert mixed.n_clusters == straight.n_clusters
    assert mixed.participation_ratio == pytest.approx(straight.participation_ratio, rel=1e-12)


def test_the_participation_ratio_is_that_of_the_eigenvalues():
    trials = blocks_of_trials(3, 5, 1.0)
    eigenvalues = np.linalg.eigvalsh(np.corrcoef(trials.T))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert effective_trials(trials).participation_ratio == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("columns", "clusters"), [(1, 1), (2, 2)])
def test_one_or_two_trials_need_no_clustering(columns, clusters):
    found = effective_trials(np.random.default_rng(0).normal(size=(100, columns)))
    assert found.n_clusters == found.n_effective == clusters


def test_silhouettes_agree_with_the_definition():
    trials = blocks_of_trials(3, 4, 0.5)
    found = effective_trials(trials)
    distance = np.sqrt((1 - np.corrcoef(trials.T)).clip(0) / 2)
    scores = []
    for i, label in enumerate(found.labels):
        own = [j for j in range(12) if found.labels[j] == label and j != i]
        a = distance[i, own].mean()
        others = set(found.labels.tolist()) - {label}
        b = min(distance[i, found.labels == other].mean() for other in others)
        scores.append((b - a) / max(a, b))
    assert found.silhouette == pytest.approx(np.mean(scores), rel=1e-6)


@pytest.mark.parametrize(
    "returns",
    [
        [[0.1, 0.2], [0.3, 0.2], [0.0, 0.2]],
        [[0.1, 0.2], [0.3, 0.1]],
        [[0.1, math.nan], [0.3, 0.1], [0.2, 0.2]],
        [0.1, 0.2, 0.3],
        np.zeros((3, 5001)),
    ],
)
def test_trials_without_correlations_are_refused(returns):
    with pytest.raises(StatisticsInputError):
        effective_trials(returns)
