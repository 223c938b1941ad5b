"""A window of paper sessions that passes every limit of the shipped policy, and ways to spoil it.

`spoiled` replaces a value without any validation, as a hostile or broken writer could.
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import session_examples as paper
import tca_examples as examples
from pydantic import BaseModel

import torghut_assets
from torghut_assets.domain.gates.paper_evaluate import evaluate_paper_gate
from torghut_assets.domain.gates.paper_evidence import PaperGateEvidence
from torghut_assets.domain.gates.paper_policy import PaperGatePolicy, parse_paper_gate_policy
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.orders.records import Champion
from torghut_assets.domain.tca.records import PaperTca

SHIPPED = (Path(torghut_assets.__file__).parent / "config/paper_gate_policy.yaml").read_bytes()
POLICY = parse_paper_gate_policy(SHIPPED)
CHAMPION = "dip-buying-megacaps-v1"


def quick(policy: PaperGatePolicy = POLICY, **changes: Any) -> PaperGatePolicy:
    """Return the policy with few resamples and small windows, for many cases."""
    resampling = policy.resampling.model_copy(update={"resamples": 200})
    wanted = {"sessions": 8, "filled_orders": 10, "high_volatility_sessions": 2}
    wanted["normal_volatility_sessions"] = 3
    limits = tuple(
        limit.model_copy(update={"limit": float(wanted.get(limit.measurement, limit.limit))})
        for limit in policy.limits
    )
    update = {"resampling": resampling, "limits": limits, "min_regime_sessions": 3}
    update["min_interval_sessions"] = 3
    return policy.model_copy(update=update | changes)


def session(day: str, place: int, **changes: Any) -> PaperTca:
    """A good session: two orders near their expectation, in one of both regimes."""
    regime = "turbulent" if place % 4 == 0 else ("normal" if place % 2 else "calm")
    orders = tuple(
        examples.row(
            f"{day}{symbol}",
            symbol=symbol,
            side=side,
            realised_cost_bps=3.5 + (place % 5) - 2.0,
            interval_cost_bps=3.0 + 0.2 * (place % 3),
        )
        for symbol, side in (("AAPL", "buy"), ("AMZN", "sell"))
    )
    fields = {
        "orders": orders,
        "conditions": examples.conditions(regime),
        "net_return_fraction": 0.001 + 0.002 * ((place % 3) - 1),
    }
    return examples.tca(day, **(fields | changes))


@cache
def records(n: int) -> dict[str, PaperTca]:
    """Return the first n sessions of 2022, all good."""
    return {day: session(day, i) for i, day in enumerate(paper.sessions(n))}


def passing(n: int = 60) -> PaperGateEvidence:
    """Return evidence against cash that passes."""
    days = tuple(paper.sessions(n))
    return PaperGateEvidence(
        candidate_id=paper.CANDIDATE,
        session=days[-1],
        deployment=paper.deployment(),
        expected_sessions=days,
        records=records(n),
    )


def challenging(n: int = 60) -> PaperGateEvidence:
    """Return the same evidence against a champion that earns nothing."""
    own = Champion(candidate_id=CHAMPION, deployment_digest=paper.digest_of("champion"))
    deployment = paper.deployment(champion=own)
    changed = {
        day: record.model_copy(update={"deployment_digest": deployment.digest})
        for day, record in records(n).items()
    }
    theirs = {
        day: record.model_copy(
            update={
                "candidate_id": CHAMPION,
                "deployment_digest": own.deployment_digest,
                "net_return_fraction": 0.0,
            }
        )
        for day, record in records(n).items()
    }
    return replace(passing(n), deployment=deployment, records=changed, champion_records=theirs)


def decide(evidence: PaperGateEvidence, policy: PaperGatePolicy = POLICY) -> PaperGateReport:
    """Evaluate the gate."""
    return evaluate_paper_gate(evidence, policy, code_version="test")


def limit_of(report: PaperGateReport, measurement: str):
    """Return the result of one measurement's limit."""
    return next(limit for limit in report.limits if limit.measurement == measurement)


def with_record(evidence: PaperGateEvidence, day: str, record: Any) -> PaperGateEvidence:
    """Return the evidence with another record of one session."""
    return replace(evidence, records={**evidence.records, day: record})


def spoiled(owner: BaseModel, **changes: Any) -> Any:
    """Return a copy with values that no validation has seen."""
    values = {name: getattr(owner, name) for name in type(owner).model_fields}
    return type(owner).model_construct(**(values | changes))
