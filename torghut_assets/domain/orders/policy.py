"""How a candidate trades on paper; the parsed `paper_policy.yaml`.

Read `PaperPolicy`: which broker, with how much, how weights become orders and what the replay
broker charges. The fees are the broker's published schedule, never the cost model that paper
trading is meant to judge.
"""

import datetime as dt
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.backtest.records import SourcedRecord
from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.orders.records import Mode
from torghut_assets.domain.records import Measured, Part, parse_record

BrokerName = Literal["replay", "alpaca-paper"]
Reversal = Literal["one_order", "close_first"]


class FeePeriod(Part):
    """Fees on sales from a date on: regulatory fees that a commission-free broker passes on."""

    effective_from: dt.date
    sec_usd_per_million: Measured = Field(ge=0, le=1_000)
    taf_usd_per_share: Measured = Field(ge=0, le=1)
    taf_cap_usd: Measured = Field(ge=0, le=1_000)


class PaperPolicy(SourcedRecord):
    """Mode, broker, budget, order style, replay rules and fees, each with its source.

    `degraded_fraction` is what is left of every target while the drift report says `degrade`, and
    `abstain` lets nothing grow; 1 turns both off, so that the report is only shown.
    `reversal` says what happens when a target lies on the other side of zero: one order through
    zero, or this session only to zero (Alpaca does not take an order through zero).
    """

    record_kind: ClassVar[str] = "paper-policy"

    policy_version: str = Field(min_length=1)
    mode: Mode
    broker: BrokerName
    budget_usd: float = Field(gt=0)
    champion: str | None
    parity_tolerance_fraction: float = Field(ge=0, le=0.01)
    parity_sessions: int = Field(ge=1, le=100_000)
    limit_offset_fraction: float = Field(gt=0, lt=1)
    degraded_fraction: float = Field(gt=0, le=1)
    reversal: Reversal
    submit_before_open_seconds: int = Field(ge=1, le=3_600)
    replay_participation_fraction: float = Field(gt=0, le=1)
    replay_open_share_fraction: float = Field(ge=0, le=1)
    replay_spread_window_sessions: int = Field(ge=3, le=1_000)
    fees: tuple[FeePeriod, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        starts = [period.effective_from for period in self.fees]
        if starts != sorted(set(starts)):
            raise ValueError("fees: effective_from must rise from one period to the next")
        if self.broker == "alpaca-paper" and self.reversal != "close_first":
            raise ValueError("broker alpaca-paper needs reversal close_first")
        return self

    def fees_on(self, day: dt.date) -> FeePeriod:
        """Return the fees in force; before the first period those of the first."""
        in_force = [period for period in self.fees if period.effective_from <= day]
        return in_force[-1] if in_force else self.fees[0]


def parse_paper_policy(payload: bytes, *, location: str = "paper_policy.yaml") -> PaperPolicy:
    """Read the policy; raises like `limits.parse_order_limits`."""
    return parse_record(PaperPolicy, parse_yaml(payload, location=location), location=location)
