"""What a rollback leaves behind: the plan, the receipt of what was read back, the incident.

Read `RollbackReceipt` first. It is a success only if the broker, asked afterwards, holds what the
plan wanted. Everything else is unknown, and unknown raises the alarm. No verdict and no class is
stored: they are derived from what was read and from the policy's rules.
"""

from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.drift.policy import Circumstance, ClassRule, IncidentClass
from torghut_assets.domain.orders.records import Champion, Moment, OrderStatus, Session, Side
from torghut_assets.domain.records import Digest, Part, Record
from torghut_assets.domain.verdicts import Verdict

RollbackMode = Literal["flat", "reduce_only"]


class Trigger(Part):
    """Why a rollback is called for; `digest` names the record that says so, if one does."""

    circumstance: Circumstance
    record: str | None
    digest: Digest | None
    detail: str = Field(min_length=3, max_length=600)


class Holding(Part):
    """Shares of one symbol; negative is short."""

    symbol: str
    quantity: int


class OpenOrder(Part):
    """An order that may still be executed, as the journal knows it."""

    key: Digest
    symbol: str
    status: OrderStatus


class RollbackPlan(Record):
    """What must be undone: which orders, to which positions, and what is in force afterwards.

    `restores` is the champion's deployment, the configuration that traded before; `None` means
    that there was none and that nothing is in force. `targets` has every symbol of the deployment.
    In `reduce_only` mode a target is the most that may be held on its side.
    """

    record_kind: ClassVar[str] = "rollback-plan"

    candidate_id: str
    session: Session
    deployment_digest: Digest
    policy_digest: Digest
    mode: RollbackMode
    broker: str
    restores: Champion | None
    triggers: tuple[Trigger, ...] = Field(min_length=1)
    known_holdings: tuple[Holding, ...]
    targets: tuple[Holding, ...] = Field(min_length=1)
    cancels: tuple[OpenOrder, ...]
    fills_digest: Digest | None
    journal_head: Digest

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<session>`."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def answers(self) -> frozenset[str]:
        """Digests of the reports that this plan is the answer to."""
        return frozenset(t.digest for t in self.triggers if t.digest is not None)


class OrderEnd(Part):
    """How one order stood when the rollback was done with it."""

    key: Digest
    symbol: str
    side: Side
    quantity: int = Field(gt=0)
    filled: int = Field(ge=0)
    status: OrderStatus
    purpose: Literal["rebalance", "flatten"]


class ReadBack(Part):
    """What the broker says after the rollback."""

    read_at: Moment
    holdings: tuple[Holding, ...]
    open_orders: tuple[str, ...]


class RollbackReceipt(Record):
    """What was done, and what the broker says it came to.

    `in_force_digest` is the champion's deployment as it was read back; `read_back` is `None` if
    the broker could not be asked.
    """

    record_kind: ClassVar[str] = "rollback-receipt"

    candidate_id: str
    session: Session
    plan_digest: Digest
    mode: RollbackMode
    broker: str
    restores: Champion | None
    in_force_digest: Digest | None
    targets: tuple[Holding, ...] = Field(min_length=1)
    orders: tuple[OrderEnd, ...]
    read_back: ReadBack | None
    problems: tuple[str, ...]
    journal_head: Digest

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<session>`."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def differences(self) -> tuple[str, ...]:
        """Where what was read back is not what was planned, one sentence each."""
        if self.read_back is None:
            return ("the broker could not be asked what it holds",)
        found = {h.symbol: h.quantity for h in self.read_back.holdings if h.quantity}
        planned = {t.symbol: t.quantity for t in self.targets}
        wrong = [
            f"{symbol}: holds {found.get(symbol, 0)}, planned {self._words(planned.get(symbol, 0))}"
            for symbol in sorted(found.keys() | planned.keys())
            if not self._kept(found.get(symbol, 0), planned.get(symbol, 0))
        ]
        wrong += [f"order {key} is still open" for key in self.read_back.open_orders]
        wrong += [f"order {o.key} is {o.status}" for o in self.orders if o.status == "unknown"]
        wanted = self.restores.deployment_digest if self.restores else None
        if self.in_force_digest != wanted:
            wrong.append(f"in force is {self.in_force_digest}, planned {wanted}")
        return tuple(wrong)

    @property
    def state(self) -> Literal["restored", "unknown"]:
        """`restored` only if everything was read back as planned and nothing went wrong."""
        return "unknown" if self.differences or self.problems else "restored"

    @property
    def verdict(self) -> Verdict:
        """`PASS` if the prior state is restored; what is unknown is not a pass."""
        return Verdict.PASS if self.state == "restored" else Verdict.INCONCLUSIVE

    def _kept(self, found: int, planned: int) -> bool:
        if self.mode == "flat":
            return found == planned
        return found == 0 or (found * planned > 0 and abs(found) <= abs(planned))

    def _words(self, planned: int) -> str:
        return str(planned) if self.mode == "flat" else f"at most {planned} towards 0"


class TimelineEntry(Part):
    """One thing that happened, and the record or journal note that says so."""

    at: Moment
    what: str = Field(min_length=3, max_length=300)
    source: str
    digest: Digest | None


class EvidenceItem(Part):
    """A record that an incident rests on."""

    name: str
    digest: Digest


class Notification(Part):
    """How one attempt to tell people went."""

    channel: Literal["log", "webhook"]
    outcome: Literal["delivered", "failed", "not_configured"]
    detail: str = Field(max_length=300)


class IncidentReport(Record):
    """What happened, how bad it is, what must follow. Sends the candidate back to research."""

    record_kind: ClassVar[str] = "incident-report"

    candidate_id: str
    session: Session
    deployment_digest: Digest
    policy_digest: Digest
    circumstances: tuple[Circumstance, ...] = Field(min_length=1)
    rules: tuple[ClassRule, ...] = Field(min_length=1)
    receipt_state: Literal["restored", "unknown"]
    findings: tuple[str, ...]
    timeline: tuple[TimelineEntry, ...] = Field(min_length=1)
    evidence: tuple[EvidenceItem, ...] = Field(min_length=2)
    kill_latch_digest: Digest | None
    notifications: tuple[Notification, ...] = Field(min_length=1)
    returns_to: Literal["research_intake"] = "research_intake"

    @model_validator(mode="after")
    def _every_circumstance_has_a_class(self) -> Self:
        if unknown := {c for c in self.circumstances if self._rule_of(c) is None}:
            raise ValueError(f"no class for {', '.join(sorted(unknown))}")
        return self

    @property
    def subject(self) -> str:
        """Partition key: `<candidate>|<session>`."""
        return f"{self.candidate_id}|{self.session}"

    @property
    def rule(self) -> ClassRule:
        """The rule of the worst circumstance; A is the worst class."""
        found = [rule for c in self.circumstances if (rule := self._rule_of(c)) is not None]
        return min(found, key=lambda rule: rule.incident_class)

    @property
    def incident_class(self) -> IncidentClass:
        """A to D."""
        return self.rule.incident_class

    @property
    def demands_kill_switch(self) -> bool:
        """Whether everything must stop until a person has looked."""
        return self.rule.demands_kill_switch

    @property
    def corrective_action(self) -> str:
        """What must be done before anything like it trades again."""
        return self.rule.corrective_action

    def _rule_of(self, circumstance: Circumstance) -> ClassRule | None:
        return next((r for r in self.rules if circumstance in r.circumstances), None)
