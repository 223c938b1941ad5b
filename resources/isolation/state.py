"""What of the isolation this system can hold: found by confining a worker, not by asking."""

import sys
from typing import NamedTuple

from torghut_assets.domain.candidates.examinee import PluginStoppedError
from torghut_assets.domain.errors import BadInputError


class IsolationUnavailableError(BadInputError):
    """Foreign code cannot be confined on this system, so none is run."""

    def __init__(self, problem: str) -> None:
        super().__init__(
            location="isolation of strategy plugins",
            found=problem,
            expected="Linux 5.13 or later on x86_64 with Landlock and seccomp filters",
            action="Run it there; the strategies that ship need no isolation.",
        )


class IsolationState(NamedTuple):
    """Whether foreign strategies can run here.

    Attributes
    ----------
    available : bool
        Whether every required protection holds. If not, foreign strategies are refused.
    problem : str
        What is missing; empty if nothing is.
    landlock_version : int
        Version of the kernel's interface, 0 if there is none. From 4 on connections are refused
        by it too, from 6 on signals and abstract sockets.
    network_namespace : bool
        Whether a worker also gets a network namespace without devices. It may be missing:
        the system call filter refuses every socket.
    """

    available: bool
    problem: str
    landlock_version: int
    network_namespace: bool


def isolation_state() -> IsolationState:
    """Start and confine one worker without a plugin, end it, and say what held."""
    try:
        require_linux()
    except IsolationUnavailableError as error:
        return IsolationState(False, error.found, 0, False)
    from torghut_assets.resources.isolation.confinement import c_library
    from torghut_assets.resources.isolation.landlock import landlock_version
    from torghut_assets.resources.isolation.process import WorkerProcess

    version = landlock_version(c_library())
    try:
        worker = WorkerProcess()
    except (IsolationUnavailableError, PluginStoppedError) as error:
        return IsolationState(False, error.found, version, False)
    worker.stop()
    return IsolationState(True, "", version, worker.network_namespace)


def require_linux() -> None:
    """Refuse foreign code on another system, before anything is imported that only Linux has.

    Raises
    ------
    IsolationUnavailableError
        On every system but Linux.
    """
    if sys.platform != "linux":
        raise IsolationUnavailableError(f"the system {sys.platform}")
