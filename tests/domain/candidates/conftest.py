"""A valid candidate document, to be broken in one place at a time."""

import copy

import pytest

DOCUMENT = {
    "candidate_id": "trend-example-v1",
    "title": "An example",
    "author": "A. Researcher",
    "thesis": "What rose keeps rising for a while, because large flows take long.",
    "universe": "us-megacaps",
    "feature_hypotheses": [
        {"feature": "past return", "hypothesis": "Its sign persists over months."}
    ],
    "expected_regimes": [{"regime": "bull", "expectation": "Earns most of its return here."}],
    "strategy": {"type": "moving-average-trend", "version": "1.0.0"},
    "parameters": {"fast_bars": 20, "slow_bars": 100},
    "parameter_grid": {"fast_bars": [10, 20, 100], "slow_bars": [50, 100]},
    "prior_run_evidence": [],
    "declared_outside_trials": 3,
}


@pytest.fixture
def document():
    return copy.deepcopy(DOCUMENT)
