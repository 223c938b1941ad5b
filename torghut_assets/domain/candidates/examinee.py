"""A plugin under examination: the one place where foreign code is called and may misbehave.

Whatever a plugin does wrong (raise, return the wrong thing) comes out of here as a
`ContractViolationError` that says what happened, never as a crash.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np

from torghut_assets.domain.candidates.strategy import (
    BarPanel,
    Floats,
    Strategy,
    StrategyParameters,
)
from torghut_assets.domain.errors import BadInputError

MAX_WARM_UP_BARS: Final = 5_000

AnswerT = TypeVar("AnswerT")


class ContractViolationError(BadInputError):
    """A strategy plugin did something that its contract forbids."""


def guarded(call: Callable[[], AnswerT], *, location: str) -> AnswerT:
    """Return what foreign code answers, or say which error it raised.

    Raises
    ------
    ContractViolationError
        With the class and the first line of whatever the code raised.
    """
    try:
        return call()
    except Exception as error:
        message = " ".join(str(error).split())[:160]
        raise ContractViolationError(
            location=location, found=f"{type(error).__name__}: {message}", expected="no error"
        ) from error


class Examinee:
    """One plugin with one set of parameters.

    Raises
    ------
    ContractViolationError
        If the plugin does not state a warm-up between 0 and `MAX_WARM_UP_BARS`.
    """

    def __init__(self, strategy: Strategy, parameters: StrategyParameters) -> None:
        self.strategy = strategy
        self.parameters = parameters
        stated: Any = guarded(
            lambda: strategy.warm_up_bars(parameters), location="warm_up_bars(parameters)"
        )
        if type(stated) is not int or not 0 <= stated <= MAX_WARM_UP_BARS:
            raise ContractViolationError(
                location="warm_up_bars(parameters)",
                found=ascii(stated)[:60],
                expected=f"a whole number from 0 to {MAX_WARM_UP_BARS}",
            )
        self.warm_up_bars: int = stated

    def weights(self, bars: BarPanel, *, where: str) -> Floats:
        """Return a copy of the plugin's weights, checked for type and shape.

        Parameters
        ----------
        bars : BarPanel
            Given as it is; pass `bars.read_only()` to forbid writing.
        where : str
            Which panel and cut, for the finding.

        Raises
        ------
        ContractViolationError
            If the plugin raises or returns anything but float64 weights of the right shape.
        """
        returned: Any = guarded(
            lambda: self.strategy.target_weights(bars, self.parameters), location=where
        )
        expected = (bars.n_bars, bars.n_symbols)
        if type(returned) is not np.ndarray:
            raise ContractViolationError(
                location=where,
                found=f"a {type(returned).__name__}",
                expected="a numpy array of float64",
            )
        if returned.dtype != np.float64 or returned.shape != expected:
            raise ContractViolationError(
                location=where,
                found=f"{returned.dtype} of shape {returned.shape}",
                expected=f"float64 of shape {expected}",
            )
        return returned.copy()
