"""Bars and weights in memory that the project and a worker share.

The layout of every array is kept, strides included: numpy adds up rows and columns in an order
that depends on it, and the last bit of a sum with it.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel, Floats

_ITEM: Final = 8
_LARGEST_GAP: Final = 4
_ALIGNED: Final = 64
NAMES: Final = ("times", *FEATURES)


class PanelTooLargeError(ValueError):
    """Bars and answer do not fit into the shared memory."""


def place(bars: BarPanel, memory: memoryview) -> dict[str, Any]:
    """Copy a panel into the memory; return what `placed` needs to find it.

    Raises
    ------
    PanelTooLargeError
        If it does not fit, with room for an answer behind it.
    """
    layout: dict[str, Any] = {}
    end = 0
    for name in NAMES:
        array = getattr(bars, name)
        strides = _kept_strides(array)
        layout[name] = [end, list(strides)]
        end += _extent(array.shape, strides)
        end += -end % _ALIGNED
    if end + bars.n_bars * bars.n_symbols * _ITEM > len(memory):
        raise PanelTooLargeError(f"{bars.n_bars} bars of {bars.n_symbols} symbols")
    plan = {
        "shape": [bars.n_bars, bars.n_symbols],
        "symbols": list(bars.symbols),
        "layout": layout,
        "answer": end,
        "writable": any(getattr(bars, name).flags.writeable for name in NAMES),
    }
    for name, array in _views(plan, memory).items():
        array[...] = getattr(bars, name)
    return plan


def placed(plan: Mapping[str, Any], memory: memoryview) -> BarPanel:
    """Return the panel that lies in the memory, as writable as the original was."""
    views = _views(plan, memory)
    for array in views.values():
        array.flags.writeable = plan["writable"]
    return BarPanel(symbols=tuple(plan["symbols"]), **views)


def bring_back(plan: Mapping[str, Any], memory: memoryview, bars: BarPanel) -> None:
    """Let changes that a worker made to a writable panel show in the original, as in one process.

    The conformance suite gives such panels to see whether a plugin changes its input.
    """
    for name, array in _views(plan, memory).items():
        original = getattr(bars, name)
        if original.flags.writeable:
            original[...] = array


def _views(plan: Mapping[str, Any], memory: memoryview) -> dict[str, Any]:
    n_bars, n_symbols = plan["shape"]
    views = {}
    for name in NAMES:
        offset, strides = plan["layout"][name]
        times = name == "times"
        views[name] = np.ndarray(
            (n_bars,) if times else (n_bars, n_symbols),
            dtype="datetime64[us]" if times else np.float64,
            buffer=memory,
            offset=offset,
            strides=tuple(strides),
        )
    return views


def answer_room(offset: int, size: int, memory: memoryview) -> Floats:
    """Return the part of the memory that an answer of `size` numbers takes, flat.

    Raises
    ------
    PanelTooLargeError
        If there is not so much left.
    """
    if offset + size * _ITEM > len(memory):
        raise PanelTooLargeError(f"an answer of {size} numbers")
    return np.frombuffer(memory, dtype=np.float64, count=size, offset=offset)


def _kept_strides(array: npt.NDArray[Any]) -> tuple[int, ...]:
    """Return the array's strides if they can be had in packed memory, else those of C order."""
    regular = all(step > 0 and step % _ITEM == 0 for step in array.strides)
    extent = _extent(array.shape, array.strides)
    if array.size and regular and extent <= _LARGEST_GAP * array.nbytes:
        return array.strides
    return _row_by_row(array.shape)


def _row_by_row(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (_ITEM,) if len(shape) == 1 else (_ITEM * shape[1], _ITEM)


def _extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    if 0 in shape:
        return 0
    return sum((n - 1) * step for n, step in zip(shape, strides, strict=True)) + _ITEM
