"""The chain of evidence behind a decision: which artifacts a record names, and so on down.

Whatever has the form of a digest names an artifact. The exceptions name code, bars as they were
read, or a place in a register; they are listed here, each with what it is.
"""

from collections.abc import Iterator
from typing import Any, Final

from torghut_assets.domain.digests import is_digest

NOT_ARTIFACTS: Final[dict[str, str]] = {
    "code_digest": "source files of a plugin or of this package",
    "bars_digest": "bars as they were read for one session",
    "key": "the idempotency key of an order",
    "journal_head": "a place in the order journal",
    "base_returns_digest": "a column of a table",
    "returns_digest": "a column of a table",
    "source.digest": "a data source as it described itself",
    "trial_register_head": "a place in the trial register",
    "head_digest": "a place in the trial register",
    "holdout.receipt_digest": "an entry of the trial register",
}
"""Names of fields with digests of what is not in the store, and what that is."""


def artifacts_named(document: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Yield the fields of a record's plain form that name artifacts, with their digests.

    Parameters
    ----------
    document : dict, list or scalar
        Plain JSON data, `record` of the canonical form.
    field : str
        Name of the field that it stands in; items of a list have the name of the list.
    """
    if isinstance(document, dict):
        for name, value in document.items():
            yield from artifacts_named(value, name if field == "" else f"{field}.{name}")
    elif isinstance(document, list):
        for item in document:
            yield from artifacts_named(item, field)
    elif isinstance(document, str) and is_digest(document) and not _is_other(field):
        yield field, document


def _is_other(field: str) -> bool:
    return any(field == name or field.endswith(f".{name}") for name in NOT_ARTIFACTS)
