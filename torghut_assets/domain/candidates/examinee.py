"""A plugin under examination: the one place where foreign code is called and may misbehave.

Whatever a plugin does wrong (raise, return the wrong thing) comes out of here as a
`ContractViolationError` that says what happened, never as a crash.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

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


class ReportedError(BadInputError):
    """Foreign code in another process raised this.

    Parameters
    ----------
    class_name, message : str
        What `problem_words` said of the error there.
    """

    def __init__(self, class_name: str, message: str) -> None:
        super().__init__(
            location="strategy plugin", found=f"{class_name}: {message}", expected="no error"
        )


class PluginStoppedError(BadInputError):
    """A plugin in another process took too long, died or spoke nonsense, and was ended.

    It is no finding of an examination: how long something takes depends on the machine.
    """


class AnswerForm(NamedTuple):
    """What a plugin answered instead of weights; `dtype` is empty if it was no array."""

    type_name: str
    dtype: str = ""
    shape: str = ""


def form_of(answer: object) -> AnswerForm:
    """Describe any object that a plugin may return."""
    if type(answer) is not np.ndarray:
        return AnswerForm(type(answer).__name__)
    return AnswerForm("ndarray", str(answer.dtype), str(answer.shape))


def problem_words(error: BaseException) -> tuple[str, str]:
    """Return the class and the first words of what foreign code raised, on one line."""
    return type(error).__name__, " ".join(str(error).split())[:160]


def guarded(call: Callable[[], AnswerT], *, location: str) -> AnswerT:
    """Return what foreign code answers, or say which error it raised.

    Raises
    ------
    ContractViolationError
        With the class and the first line of whatever the code raised.
    """
    try:
        return call()
    except PluginStoppedError:
        raise
    except ReportedError as error:
        raise ContractViolationError(
            location=location, found=error.found, expected="no error"
        ) from error
    except Exception as error:
        raise ContractViolationError(
            location=location, found=": ".join(problem_words(error)), expected="no error"
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
        form = returned if type(returned) is AnswerForm else form_of(returned)
        if not form.dtype:
            raise ContractViolationError(
                location=where,
                found=f"a {form.type_name}",
                expected="a numpy array of float64",
            )
        if type(returned) is not np.ndarray or form[1:] != ("float64", str(expected)):
            raise ContractViolationError(
                location=where,
                found=f"{form.dtype} of shape {form.shape}",
                expected=f"float64 of shape {expected}",
            )
        return returned.copy()
