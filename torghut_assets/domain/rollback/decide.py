"""Does a deployed candidate have to be taken out? Reports and silence become triggers.

No trigger, no rollback; a report that cannot be read is a trigger, because nobody knows what it
would say. `rollback_plan` turns triggers into what must be undone.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from torghut_assets.domain.drift.policy import Circumstance, DriftPolicy, SilenceBudget
from torghut_assets.domain.drift.records import DriftReading, DriftReport
from torghut_assets.domain.errors import StageRefusedError
from torghut_assets.domain.orders.records import Champion, PaperDeployment, Side
from torghut_assets.domain.rollback.records import Holding, OpenOrder, RollbackPlan, Trigger
from torghut_assets.domain.verdicts import Verdict

_GROUP: Final[dict[str, Circumstance]] = {
    "data": "data_drift",
    "model": "model_drift",
    "execution": "execution_drift",
    "performance": "performance_drift",
    "risk": "risk_breach",
}
_OF_ITS_OWN: Final[dict[str, Circumstance]] = {"unexplained_differences": "unexplained_difference"}
_LONGEST = 600


@dataclass(frozen=True)
class ReportSeen:
    """One report that may call for a rollback: its verdict, `None` if it cannot be read."""

    record: str
    digest: str
    verdict: Verdict | None
    detail: str


def calls_for_rollback(verdict: Verdict | None) -> bool:
    """Whether a report's verdict calls for a rollback: a failure does, and so does none at all."""
    return verdict is None or verdict is Verdict.FAIL


def triggers_of_drift(report: DriftReport) -> tuple[Trigger, ...]:
    """Return one trigger per circumstance among the readings that failed."""
    by_circumstance: dict[Circumstance, list[DriftReading]] = {}
    for reading in report.failed:
        kind = _OF_ITS_OWN.get(reading.measurement, _GROUP[reading.group])
        by_circumstance.setdefault(kind, []).append(reading)
    return tuple(
        Trigger(
            circumstance=kind,
            record="drift_report",
            digest=report.digest,
            detail="; ".join(r.reason or r.measurement for r in readings)[:_LONGEST],
        )
        for kind, readings in by_circumstance.items()
    )


def trigger_of_report(seen: ReportSeen) -> tuple[Trigger, ...]:
    """Return the trigger of any other report, if its verdict calls for one."""
    if not calls_for_rollback(seen.verdict):
        return ()
    unreadable = seen.verdict is None
    return (
        Trigger(
            circumstance="silence" if unreadable else "paper_gate_failure",
            record=seen.record,
            digest=seen.digest,
            detail=seen.detail[:_LONGEST],
        ),
    )


def silence_of(
    finished: Sequence[str], passed: Collection[str], budget: SilenceBudget
) -> Trigger | None:
    """Return a trigger if none of the last sessions has a passing report.

    Parameters
    ----------
    finished : sequence of str
        Sessions of the deployment that are over, grace included, in order.
    passed : collection of str
        Sessions with a passing report.
    budget : SilenceBudget
    """
    last = finished[-budget.sessions :]
    if len(last) < budget.sessions or any(session in passed for session in last):
        return None
    return Trigger(
        circumstance="silence",
        record=None,
        digest=None,
        detail=f"no passing report of {', '.join(last)}; the budget is {budget.sessions} sessions",
    )


@dataclass(frozen=True)
class Situation:
    """What is known before a rollback, from records and the journal.

    Attributes
    ----------
    holdings : tuple of Holding
        Positions of the last session's fills.
    fills_digest : str or None
    champion : Champion or None
        The champion if it is deployed and was not rolled back itself.
    open_orders : tuple of OpenOrder
    journal_head : str
    """

    holdings: tuple[Holding, ...]
    fills_digest: str | None
    champion: Champion | None
    open_orders: tuple[OpenOrder, ...]
    journal_head: str


def rollback_plan(
    deployment: PaperDeployment,
    session: str,
    triggers: Sequence[Trigger],
    situation: Situation,
    policy: DriftPolicy,
) -> RollbackPlan:
    """Say what must be undone.

    Flat: nothing of any symbol. Reduce only: at most what is held, on its side.

    Raises
    ------
    StageRefusedError
        If nothing calls for a rollback.
    """
    if not triggers:
        raise StageRefusedError(
            f"rollback of {deployment.candidate_id}|{session}: no report that fails and no "
            "silence calls for it. To stop a candidate all the same: torghut kill --candidate "
            f"{deployment.candidate_id} --reason …"
        )
    mode = policy.rollback.mode
    held = {holding.symbol: holding.quantity for holding in situation.holdings}
    symbols = sorted({*deployment.symbols, *held})
    return RollbackPlan(
        candidate_id=deployment.candidate_id,
        session=session,
        deployment_digest=deployment.digest,
        policy_digest=policy.digest,
        mode=mode,
        broker=deployment.broker,
        restores=situation.champion,
        triggers=tuple(triggers),
        known_holdings=tuple(sorted(situation.holdings, key=lambda h: h.symbol)),
        targets=tuple(
            Holding(symbol=s, quantity=0 if mode == "flat" else held.get(s, 0)) for s in symbols
        ),
        cancels=tuple(sorted(situation.open_orders, key=lambda o: o.key)),
        fills_digest=situation.fills_digest,
        journal_head=situation.journal_head,
    )


@dataclass(frozen=True)
class Closing:
    """One order that brings a holding to its target."""

    symbol: str
    quantity: int

    @property
    def side(self) -> Side:
        """`buy` for a short holding, `sell` for a long one."""
        return "buy" if self.quantity > 0 else "sell"


def closings(plan: RollbackPlan, holdings: Sequence[Holding]) -> tuple[Closing, ...]:
    """Return the orders from what the broker holds to the plan's targets, by symbol.

    Never beyond zero and never enlarging: what a reduce-only plan allows is left alone.
    """
    targets = {target.symbol: target.quantity for target in plan.targets}
    found = []
    for holding in sorted(holdings, key=lambda h: h.symbol):
        target = targets.get(holding.symbol, 0)
        if plan.mode == "reduce_only" and holding.quantity * target > 0:
            target = min(abs(holding.quantity), abs(target)) * (1 if target > 0 else -1)
        elif plan.mode == "reduce_only":
            target = 0
        if change := target - holding.quantity:
            found.append(Closing(holding.symbol, change))
    return tuple(found)
