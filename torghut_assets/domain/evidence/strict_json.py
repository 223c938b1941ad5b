"""JSON that is read only in the one form that this project writes.

Whoever reads leniently and signs strictly can be shown two documents under one signature.
So nothing is read here that is not byte for byte the canonical form of what it says.
"""

import json
from typing import Any, Final, NoReturn

from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault

MAX_BYTES: Final = 4 * 1024 * 1024


class _RepeatedKeyError(ValueError):
    """An object names a key twice."""


def parse_canonical(payload: bytes, *, location: str) -> Any:
    """Return the plain data that canonical JSON bytes hold.

    Parameters
    ----------
    payload : bytes
        At most `MAX_BYTES`.
    location : str
        Where it came from, for the message.

    Raises
    ------
    EvidenceRefusedError
        With `too_large`, `not_json`, `duplicate_json_key` or `not_canonical`.
    """
    if len(payload) > MAX_BYTES:
        raise EvidenceRefusedError(
            Fault.TOO_LARGE, location=location, detail=f"{len(payload)} bytes, limit {MAX_BYTES}"
        )
    try:
        data = json.loads(
            payload.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse_constant
        )
        again = canonical_json(data)
    except _RepeatedKeyError as error:
        raise EvidenceRefusedError(
            Fault.DUPLICATE_JSON_KEY, location=location, detail=str(error)
        ) from error
    except (ValueError, RecursionError) as error:
        detail = " ".join(str(error).split())[:160]
        raise EvidenceRefusedError(Fault.NOT_JSON, location=location, detail=detail) from error
    if again != payload:
        raise EvidenceRefusedError(
            Fault.NOT_CANONICAL,
            location=location,
            detail="the bytes are not the canonical form of what they say",
        )
    return data


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _RepeatedKeyError(f"the key {ascii(twice)[:60]} twice")
    return found


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON number")
