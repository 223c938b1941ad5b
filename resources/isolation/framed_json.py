"""JSON messages over a stream, each with its length in front and a limit on it."""

import json
import struct
from collections.abc import Callable
from typing import Any, Final

MAX_MESSAGE_BYTES: Final = 8 << 20
_HEAD: Final = struct.Struct(">I")

Take = Callable[[int], bytes]
"""Takes exactly so many bytes off a stream."""


class BadMessageError(ValueError):
    """What came is no message of this form."""


def packed(message: Any) -> bytes:
    """Return the bytes of a message.

    Raises
    ------
    BadMessageError
        If it is longer than `MAX_MESSAGE_BYTES`.
    """
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    if len(body) > MAX_MESSAGE_BYTES:
        raise BadMessageError(f"a message of {len(body)} bytes")
    return _HEAD.pack(len(body)) + body


def taken(take: Take) -> Any:
    """Return the next message.

    Raises
    ------
    BadMessageError
        If it is too long, or not JSON.
    """
    (length,) = _HEAD.unpack(take(_HEAD.size))
    if length > MAX_MESSAGE_BYTES:
        raise BadMessageError(f"a message of {length} bytes")
    try:
        return json.loads(take(length))
    except (ValueError, RecursionError) as error:
        raise BadMessageError("no JSON") from error
