"""The worker: confines itself, loads one plugin from the sources it is sent, and answers.

It runs as `python -I -S` in an empty environment with three descriptors: /dev/null, the stream
to the project, and the shared memory. Once foreign code is loaded nothing that comes out of this
process can be trusted; `process` and `remote_strategy` read it as hostile.
"""

import importlib
import json
import mmap
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Final

from torghut_assets.resources.isolation.confinement import Limits, confine, die_with, leave_network
from torghut_assets.resources.isolation.framed_json import BadMessageError, packed, taken

_ALWAYS_LOADED: Final = (
    "torghut_assets.domain.candidates.strategy",
    "torghut_assets.strategies.building_blocks",
)
LOADED_IF_USED: Final = (
    "torghut_assets.domain.candidates.lanes",
    "torghut_assets.domain.candidates.grid_program",
    "torghut_assets.strategies.direction_times_risk",
    "torghut_assets.strategies.direction_times_risk_kernel",
)
"""Building blocks that a plugin may use; compiled ones cannot be loaded once it is confined."""


def main() -> None:
    """Confine this process, say so, and answer until the stream ends."""
    setup: dict[str, Any] = json.loads(sys.argv[1])
    without_network = leave_network()
    die_with(setup["parent"])
    stream: int = setup["stream"]
    shared = mmap.mmap(setup["memory"], setup["shared_bytes"])
    os.close(setup["memory"])
    for module in (*_ALWAYS_LOADED, *(m for m in setup["uses"] if m in LOADED_IF_USED)):
        importlib.import_module(module)
    from torghut_assets.resources.isolation.plugin_host import PluginHost

    try:
        confine(setup["readable"], Limits(*setup["limits"]), setup["shared_bytes"])
    except OSError as error:
        os.write(stream, packed({"refused": str(error)}))
        return
    os.write(stream, packed({"confined": {"network_namespace": without_network}}))
    _serve(stream, PluginHost(memoryview(shared)).calls())


def _serve(stream: int, calls: Mapping[str, Callable[..., Any]]) -> None:
    from torghut_assets.domain.candidates.examinee import problem_words

    while (request := _next(stream)) is not None:
        call = calls[request.pop("call")]
        try:
            answer = {"answer": call(**request)}
        except BaseException as error:  # noqa: BLE001 - foreign code raises what it likes
            answer = {"raised": problem_words(error)}
        try:
            message = packed(answer)
        except (BadMessageError, TypeError, ValueError, RecursionError) as error:
            message = packed({"raised": problem_words(error)})
        while message:
            message = message[os.write(stream, message) :]


def _next(stream: int) -> dict[str, Any] | None:
    """Return the next request, or `None` once the project has closed the stream."""

    def take(length: int) -> bytes:
        parts = b""
        while len(parts) < length:
            part = os.read(stream, length - len(parts))
            if not part:
                raise EOFError
            parts += part
        return parts

    try:
        request: dict[str, Any] = taken(take)
    except EOFError:
        return None
    return request
