"""How two cuts of the same snapshot id differ, in one line that a person can act on."""

from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa

from torghut_assets.domain.snapshots.records import SymbolCoverage
from torghut_assets.domain.snapshots.schema import BAR_SCHEMA

Batches = Iterable[pa.RecordBatch]


def first_difference(before: Batches, after: Batches) -> str | None:
    """Describe the first bar that is not equal in both streams, or return `None`.

    Parameters
    ----------
    before, after : iterable of RecordBatch
        Bars of schema 1 in symbol and time order, cut into batches anywhere. Numbers are
        compared bit by bit, not within a tolerance.
    """
    for old, new in _in_step(before, after):
        if new is None:
            return f"{_row(old, 0)} is only in the stored bars"
        if old is None:
            return f"{_row(new, 0)} is only in the new bars"
        if not old.equals(new):
            place = _first_unequal(old, new)
            return f"stored {_row(old, place)}, now {_row(new, place)}"
    return None


def describe_change(
    stored: Sequence[SymbolCoverage], now: Sequence[SymbolCoverage], first: str
) -> str:
    """Return rows, symbols and the first differing bar in one line."""
    old = {item.symbol: item.rows for item in stored}
    new = {item.symbol: item.rows for item in now}
    parts = [f"{sum(old.values())} bars stored, {sum(new.values())} now"]
    for word, names in (("gone", old.keys() - new.keys()), ("added", new.keys() - old.keys())):
        if names:
            parts.append(f"symbols {word}: {', '.join(sorted(names)[:10])}")
    resized = [f"{s} {old[s]} to {new[s]}" for s in old if s in new and old[s] != new[s]]
    if resized:
        parts.append(f"bars per symbol: {', '.join(resized[:10])}")
    parts.append(f"first difference: {first}")
    return "; ".join(parts)


def _in_step(
    before: Batches, after: Batches
) -> Iterator[tuple[pa.RecordBatch | None, pa.RecordBatch | None]]:
    """Both streams in pieces of equal length; `None` once a stream has ended."""
    streams = (_plain(before), _plain(after))
    pending: list[pa.RecordBatch | None] = [next(stream, None) for stream in streams]
    while pending[0] is not None or pending[1] is not None:
        old, new = pending
        if old is None or new is None:
            yield old, new
            return
        length = min(old.num_rows, new.num_rows)
        yield old.slice(0, length), new.slice(0, length)
        for side, piece in enumerate((old, new)):
            rest = piece.slice(length)
            pending[side] = rest if rest.num_rows else next(streams[side], None)


def _plain(batches: Batches) -> Iterator[pa.RecordBatch]:
    """Batches with rows, with symbols as plain strings."""
    for batch in batches:
        if batch.num_rows:
            yield pa.record_batch(
                [batch.column(f.name).cast(f.type) for f in BAR_SCHEMA], schema=BAR_SCHEMA
            )


def _first_unequal(old: pa.RecordBatch, new: pa.RecordBatch) -> int:
    """Position of the first unequal row, by halving; the batches are not equal."""
    low, high = 0, old.num_rows
    while high - low > 1:
        middle = (low + high) // 2
        same = old.slice(low, middle - low).equals(new.slice(low, middle - low))
        low, high = (middle, high) if same else (low, middle)
    return low


def _row(batch: pa.RecordBatch, place: int) -> str:
    values = {name: batch.column(name)[place].as_py() for name in batch.schema.names}
    numbers = ", ".join(
        f"{name} {value!r}" for name, value in values.items() if name not in ("symbol", "time")
    )
    return f"{values['symbol']} {values['time'].isoformat()} ({numbers})"
