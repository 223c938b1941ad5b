"""What kind of failure an error is, and whether the pipeline tries again after it.

Only what may pass by itself is tried again. A refusal, a bad input and a defect stay what
they are, however often they are repeated.
"""

from enum import StrEnum

from torghut_assets.domain.errors import BadInputError, StageRefusedError, UsageError
from torghut_assets.domain.stages.config import FailurePolicy


class FailureClass(StrEnum):
    """The four classes that the pipeline file has a policy for."""

    TRANSIENT = "transient"
    DETERMINISTIC = "deterministic"
    SPECIFICATION = "specification"
    POLICY = "policy"


_TRANSIENT = (ConnectionError, TimeoutError, BlockingIOError)


def classify(error: BaseException, *busy: type[BaseException]) -> FailureClass:
    """Return the class of an error.

    Parameters
    ----------
    error : BaseException
    *busy : type
        Further errors that pass by themselves, e.g. of a locked file.
    """
    if isinstance(error, StageRefusedError):
        return FailureClass.POLICY
    if isinstance(error, (BadInputError, UsageError)):
        return FailureClass.SPECIFICATION
    if isinstance(error, (*_TRANSIENT, *busy)):
        return FailureClass.TRANSIENT
    return FailureClass.DETERMINISTIC


def wait_before_retry(
    policy: FailurePolicy, failure: FailureClass, attempts_made: int
) -> float | None:
    """Return the seconds to wait before the next attempt; `None` if there is none.

    The wait doubles with every attempt.

    Parameters
    ----------
    policy : FailurePolicy
    failure : FailureClass
    attempts_made : int
        How often it was tried, at least 1.
    """
    if failure is not FailureClass.TRANSIENT or attempts_made > policy.transient_retries:
        return None
    return float(policy.backoff_seconds * 2 ** (attempts_made - 1))
