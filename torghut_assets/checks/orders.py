"""Checks on paper sessions: they display what the domain found, and decide nothing."""

import dagster as dg

from torghut_assets.assets.keys import ORDER_INTENTS, PAPER_FILLS
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.domain.orders.keys import key_faults
from torghut_assets.domain.orders.records import OrderIntents, PaperFills
from torghut_assets.domain.verdicts import Verdict


@dg.asset_check(asset=ORDER_INTENTS, partitions_def=CANDIDATE_SESSIONS, blocking=True)
def risk_guardrails(order_intents: OrderIntents) -> dg.AssetCheckResult:
    """Every risk rule was measured and kept, so the session's orders may be sent."""
    blocked = order_intents.blocked_by
    return dg.AssetCheckResult(
        passed=not blocked,
        description="; ".join(
            f"{f.rule}{f' of {f.symbol}' if f.symbol else ''}: {f.verdict.value}"
            for f in blocked[:8]
        )
        or f"{len(order_intents.guardrails)} findings, all pass",
        metadata={"intents_digest": order_intents.digest, "blocked": len(blocked)},
    )


@dg.asset_check(asset=ORDER_INTENTS, partitions_def=CANDIDATE_SESSIONS, blocking=True)
def idempotency_keys(order_intents: OrderIntents) -> dg.AssetCheckResult:
    """Every order has the key of what it means, and no two have the same."""
    faults = key_faults(order_intents)
    return dg.AssetCheckResult(
        passed=not faults,
        description="; ".join(faults[:8]) or f"{len(order_intents.intents)} keys",
        metadata={"intents_digest": order_intents.digest},
    )


@dg.asset_check(asset=ORDER_INTENTS, partitions_def=CANDIDATE_SESSIONS, blocking=True)
def parity(order_intents: OrderIntents) -> dg.AssetCheckResult:
    """Live weights are those of the backtest, up to the stated tolerance."""
    difference = order_intents.parity_max_difference_fraction
    return dg.AssetCheckResult(
        passed=order_intents.parity_verdict is Verdict.PASS,
        description=(
            "not compared"
            if difference is None
            else f"largest difference {difference:.3g} over {order_intents.parity_sessions} "
            f"sessions, tolerance {order_intents.parity_tolerance_fraction:g}"
        ),
        metadata={"intents_digest": order_intents.digest},
    )


@dg.asset_check(asset=PAPER_FILLS, partitions_def=CANDIDATE_SESSIONS, blocking=True)
def reconciled(paper_fills: PaperFills) -> dg.AssetCheckResult:
    """Journal and broker agree on orders, fills, positions and cash; no outcome is unknown."""
    shown = [
        f"{d.what} {d.name}: ours {d.ours}, broker's {d.brokers}"
        for d in paper_fills.differences[:5]
    ]
    return dg.AssetCheckResult(
        passed=paper_fills.verdict is Verdict.PASS,
        description="; ".join(shown)[:900]
        or ("an order has no end" if paper_fills.verdict is Verdict.FAIL else "everything agrees"),
        metadata={
            "fills_digest": paper_fills.digest,
            "differences": len(paper_fills.differences),
        },
    )
