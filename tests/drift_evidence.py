"""Evidence of drift reports in which all is as it should be; tests change one thing of it."""

from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from itertools import pairwise
from typing import Any

import numpy as np
from session_examples import deployment, digest_of, sessions

from torghut_assets.domain.drift.history import DriftEvidence, SessionFacts, TradedCost
from torghut_assets.domain.drift.policy import DriftPolicy, parse_drift_policy
from torghut_assets.domain.drift.records import EvidenceRef, SessionRef
from torghut_assets.domain.drift.reference import DriftReference, ReferencePath

SYMBOLS = ("AAPL", "AMZN", "GOOG")
N_REFERENCE = 600


@lru_cache
def policy() -> DriftPolicy:
    """The shipped policy."""
    return parse_drift_policy((files("torghut_assets") / "config/drift_policy.yaml").read_bytes())


def random_bars(n: int, seed: int, scale: float = 0.01) -> np.ndarray:
    """Proper bars, shape (n, n_symbols, 5)."""
    generator = np.random.default_rng(seed)
    first = np.full((n, len(SYMBOLS)), 100.0)
    last = first * (1.0 + scale * generator.standard_normal(first.shape))
    wide = 1.0 + scale * generator.random(first.shape)
    high, low = np.maximum(first, last) * wide, np.minimum(first, last) / wide
    return np.stack([first, high, low, last, np.full_like(first, 1e6)], axis=2)


@lru_cache
def reference() -> DriftReference:
    """600 sessions: one per cent of volatility, a little gain, weights that change slowly."""
    generator = np.random.default_rng(5)
    days = np.datetime64("2015-01-01") + np.arange(N_REFERENCE)
    returns = 0.0008 + 0.01 * generator.standard_normal(N_REFERENCE)
    weights = 0.25 + 0.02 * generator.standard_normal((N_REFERENCE, len(SYMBOLS)))
    path = ReferencePath(days, returns, np.full(N_REFERENCE, 0.75))
    return DriftReference(path, random_bars(N_REFERENCE, 6)[:, :, :4], weights, policy().reference)


@lru_cache
def facts(n: int) -> tuple[SessionFacts, ...]:
    """The first n sessions of a candidate that behaves like its reference."""
    generator = np.random.default_rng(7)
    returns = 0.0008 + 0.01 * generator.standard_normal(n)
    weights = 0.25 + 0.02 * generator.standard_normal((n, len(SYMBOLS)))
    bars = random_bars(n, 8)
    days = ["2021-12-31", *sessions(n)]
    return tuple(
        SessionFacts(
            session=day,
            refs=SessionRef(
                session=day,
                intents_digest=digest_of(f"intents {day}"),
                fills_digest=digest_of(f"fills {day}"),
                tca_digest=digest_of(f"costs {day}"),
            ),
            decided_on=before,
            deployment_digest=deployment().digest,
            net_return_fraction=float(returns[i]),
            bars=bars[i],
            targets=weights[i],
            foreign_bars=0,
            gross_fraction=0.75,
            largest_fraction=0.27,
            parity_difference_fraction=0.0,
            blocked_guardrails=0,
            unexplained=0,
            costs=(TradedCost(10_000.0, 4.0, 5.0, 0.01),),
            shortfalls_usd=(3.0,),
            ordered_notional_usd=10_000.0,
        )
        for i, (before, day) in enumerate(pairwise(days))
    )


def evidence(n: int = 45, **changes: Any) -> DriftEvidence:
    """Evidence through the n-th session; every reading passes or is not yet due."""
    known = facts(n)
    fields: dict[str, Any] = {
        "candidate_id": "tsmom-megacaps-v1",
        "session": known[-1].session,
        "deployment": deployment(),
        "expected": tuple(f.session for f in known),
        "facts": {f.session: f for f in known},
        "previous": tuple(f.refs for f in known[:-1]) if n > 1 else None,
        "decision_age_sessions": 1,
        "reference": reference(),
        "gross_limit_fraction": 1.0,
        "position_limit_fraction": 0.35,
        "inputs": (EvidenceRef(name="paper_deployment", digest=deployment().digest, problem=None),),
    }
    return DriftEvidence(**(fields | changes))


def with_session(base: DriftEvidence, index: int, **changes: Any) -> DriftEvidence:
    """The same with one session's facts changed."""
    session = base.expected[index]
    return replace(base, facts={**base.facts, session: replace(base.facts[session], **changes)})
