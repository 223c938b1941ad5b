"""Rows of the order journal: every order with its state and chain, every execution."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping

from torghut_assets.domain.audit.order_chains import ChainResolver
from torghut_assets.domain.orders.journal import OrderEntry, fold
from torghut_assets.domain.warehouse.trading_rows import FillRow, OrderRow


def order_rows(
    entries: Iterable[OrderEntry], stated_in: Mapping[int, int], resolver: ChainResolver
) -> Iterator[OrderRow]:
    """Yield one row for each order, as its entries leave it.

    Parameters
    ----------
    entries : iterable of OrderEntry
        The whole journal, verified, in order.
    stated_in : mapping of int to int
        The ledger entry that names an entry of the journal, by sequence.
    resolver : ChainResolver
    """
    claims = {e.note.key: e for e in entries if e.note.event == "claim"}
    orders = fold(e.note for e in entries).orders
    for key, claim in claims.items():
        order = orders[key]
        asked, links = order.request, resolver.links_of(order)
        broken = None if links[-1].resolves else links[-1]
        yield OrderRow(
            digest=claim.digest,
            ledger_sequence=stated_in.get(claim.sequence),
            order_key=key,
            candidate_id=asked.candidate_id,
            session=dt.date.fromisoformat(asked.session),
            deployment_digest=asked.deployment_digest,
            purpose=asked.purpose,
            symbol=asked.symbol,
            side=asked.side,
            quantity=asked.quantity,
            order_type=asked.order_type,
            status=order.status,
            filled_quantity=order.filled,
            decided_at=_moment(asked.decided_at),
            submitted_at=_moment(order.submitted_at) if order.submitted_at else None,
            chain_resolves=broken is None,
            chain_is_removed=broken is not None and broken.is_removed,
            resolved_links=sum(link.resolves for link in links),
            broken_link=broken.name if broken else None,
            broken_because=broken.detail if broken else None,
        )


def fill_rows(entries: Iterable[OrderEntry], stated_in: Mapping[int, int]) -> Iterator[FillRow]:
    """Yield one row for each execution; the journal holds each once."""
    for entry in entries:
        if (fill := entry.note.fill) is None:
            continue
        yield FillRow(
            digest=entry.digest,
            ledger_sequence=stated_in.get(entry.sequence),
            order_key=fill.key,
            fill_id=fill.fill_id,
            symbol=fill.symbol,
            side=fill.side,
            quantity=fill.quantity,
            price_usd=fill.price_usd,
            fee_usd=fill.fee_usd,
            filled_at=_moment(fill.filled_at),
        )


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
