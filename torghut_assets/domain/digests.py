"""One canonical form and one hash. Nothing else in this project imports `hashlib`.

Canonical form, version 1: UTF-8 JSON, keys sorted, no spaces, no NaN or infinity, floats
in Python's shortest round-trip form. `docs/evidence.md` specifies it for other languages.
"""

import hashlib
import json
import re
from typing import Any, Final

DIGEST_PATTERN: Final = r"^[0-9a-f]{64}$"
_DIGEST = re.compile(r"[0-9a-f]{64}")


def canonical_json(value: Any) -> bytes:
    """Return the canonical UTF-8 JSON of plain data.

    Parameters
    ----------
    value : dict, list, str, int, float, bool or None
        Plain JSON data; keys are strings.

    Raises
    ------
    ValueError
        If a float is NaN or infinite: such a value has no JSON form.
    """
    text = json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return text.encode("utf-8")


def sha256_hex(payload: bytes) -> str:
    """SHA-256 of `payload` as 64 lower-case hexadecimal digits."""
    return hashlib.sha256(payload).hexdigest()


def is_digest(text: str) -> bool:
    """Whether `text` has the form of a digest."""
    return _DIGEST.fullmatch(text) is not None


class StreamingDigest:
    """SHA-256 of bytes that arrive in pieces, e.g. while a large file is copied."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def update(self, payload: bytes | bytearray | memoryview) -> None:
        """Add the next piece."""
        self._hash.update(payload)

    @property
    def hexdigest(self) -> str:
        """Digest of all that was added so far."""
        return self._hash.hexdigest()
