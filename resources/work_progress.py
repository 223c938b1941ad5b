"""Saying how far long work is, to whoever listens in this process; mostly nobody does.

A listener is a matter of the screen: it gets two counts and can change nothing. It is set for
the work of one context, so work in other processes and threads says nothing.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

Listener = Callable[[int, int], None]
"""Told `(done, in all)`; the latter may grow while work is found."""
_LISTENER: Final[ContextVar[Listener | None]] = ContextVar("work_progress", default=None)


def report(done: int, total: int) -> None:
    """Say that `done` of `total` pieces of the work at hand are done."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(done, total)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Let a listener hear what is reported inside the block."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)
