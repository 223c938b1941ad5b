"""Cases of the look-ahead detector: signals that the file defines in words.

Four of them use the future on purpose. They exist to be caught.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from torghut_assets.domain.candidates.truncation import truncation_invariance as find
from torghut_assets.domain.errors import BadInputError

Floats = NDArray[np.float64]


def _shifted_mean(x: Floats, *, first: int, window: int) -> Floats:
    """Mean of `window` values, written `first` rows after the window starts."""
    result = np.full(x.shape, np.nan)
    if x.size >= window:
        means = sliding_window_view(x, window).mean(axis=1)
        result[first : first + means.size] = means
    return result


def _expanding_z(x: Floats) -> Floats:
    result = np.full(x.shape, np.nan)
    for t in range(1, x.size):
        result[t] = (x[t] - np.mean(x[: t + 1])) / np.std(x[: t + 1], ddof=1)
    return result


def _full_z(x: Floats) -> Floats:
    return (x - np.mean(x)) / np.std(x, ddof=1) if x.size > 1 else np.full(x.shape, np.nan)


def _filled_forward(x: Floats) -> Floats:
    last_valid = np.maximum.accumulate(np.where(np.isnan(x), -1, np.arange(x.size)))
    return np.where(last_valid >= 0, x[last_valid], np.nan)


def _filled_backward(x: Floats) -> Floats:
    return _filled_forward(x[::-1])[::-1]


def _next_value(x: Floats) -> Floats:
    return np.append(x[1:], np.nan)


def _block_means(x: Floats) -> Floats:
    blocks = [x[i : i + 5] for i in range(0, x.size, 5)]
    return np.concatenate([np.full(block.size, np.mean(block)) for block in blocks])


SIGNALS: Final[Mapping[str, Callable[[Floats], Floats]]] = MappingProxyType(
    {
        "sma3": lambda x: _shifted_mean(x, first=2, window=3),
        "expanding_z": _expanding_z,
        "ffill": _filled_forward,
        "full_z": _full_z,
        "centered_ma3": lambda x: _shifted_mean(x, first=1, window=3),
        "shift_minus1": _next_value,
        "bfill": _filled_backward,
        "block5_mean": _block_means,
    }
)


def truncation_invariance(x: Sequence[float], signal: str) -> dict[str, Any]:
    """Look for look-ahead in one of the signals that the file names.

    Raises
    ------
    BadInputError
        If the signal is not one of them.
    """
    if signal not in SIGNALS:
        raise BadInputError(
            location="signal", found=repr(signal)[:80], expected=f"one of {', '.join(SIGNALS)}"
        )
    finding = find(SIGNALS[signal], np.asarray(x, dtype=np.float64))
    return {
        "lookahead": finding.lookahead,
        "first_violation": finding.first_violation,
        "n_violations": finding.n_violations,
    }
