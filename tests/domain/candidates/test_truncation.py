"""The look-ahead detector against reference signals, defined in words in the golden file."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.candidates.truncation import rows_that_differ, truncation_invariance

GOLDEN = Path(__file__).parents[2] / "golden" / "truncation_invariance.json"
CASES = json.loads(GOLDEN.read_text(encoding="utf-8"))["cases"]


def _block_mean(x):
    return pd.Series(x).groupby(np.arange(len(x)) // 5).transform("mean").to_numpy()


SIGNALS = {
    "sma3": lambda x: pd.Series(x).rolling(3).mean().to_numpy(),
    "expanding_z": lambda x: (
        (pd.Series(x) - pd.Series(x).expanding().mean()) / pd.Series(x).expanding().std()
    ).to_numpy(),
    "ffill": lambda x: pd.Series(x).ffill().to_numpy(),
    "full_z": lambda x: ((pd.Series(x) - pd.Series(x).mean()) / pd.Series(x).std()).to_numpy(),
    "centered_ma3": lambda x: pd.Series(x).rolling(3, center=True).mean().to_numpy(),
    "shift_minus1": lambda x: pd.Series(x).shift(-1).to_numpy(),
    "bfill": lambda x: pd.Series(x).bfill().to_numpy(),
    "block5_mean": _block_mean,
}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["inputs"]["signal"])
def test_agrees_with_the_reference(case):
    x = np.array([float(v) for v in case["inputs"]["x"]])
    finding = truncation_invariance(SIGNALS[case["inputs"]["signal"]], x)
    assert {
        "lookahead": finding.lookahead,
        "first_violation": finding.first_violation,
        "n_violations": finding.n_violations,
    } == case["expected"]


def test_the_golden_file_has_both_kinds():
    assert sorted({case["expected"]["lookahead"] for case in CASES}) == [False, True]
    assert len(CASES) == 8


@given(ahead=st.integers(1, 5), n=st.integers(7, 40), seed=st.integers(0, 999))
def test_a_peek_of_any_length_is_found_at_the_first_bar(ahead, n, seed):
    x = np.random.default_rng(seed).normal(size=(n, 2))

    def peek(values):
        out = np.full(values.shape, np.nan)
        out[: max(0, len(values) - ahead)] = values[ahead:]
        return out

    finding = truncation_invariance(peek, x)
    assert finding.first_violation == 0
    assert finding.n_violations == n - ahead


def test_a_difference_within_the_slack_is_none():
    one = np.array([[1.0, np.nan], [2.0, 3.0], [np.inf, 0.0]])
    other = one + np.array([[1e-12, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert rows_that_differ(one, other, slack=1e-10).size == 0
    assert rows_that_differ(one, other, slack=1e-13).tolist() == [0]
    assert rows_that_differ(one, np.zeros_like(one), slack=1e-10).tolist() == [0, 1, 2]
