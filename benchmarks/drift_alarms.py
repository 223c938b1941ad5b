"""How often the drift policy errs: on paths on which nothing changed, and after the mean fell.

Sessions are resampled in blocks from a candidate's own backtest (bars, weights and returns of a
session stay together), so that without a shift every failure is a false alarm. Usage, in a home
in which the candidate was evaluated:

    python benchmarks/drift_alarms.py tsmom-megacaps-v1 us-megacaps@2021-12-31 --paths 60 --seed 1

`--shift` lowers every return by that many of the backtest's deviations.
"""

import argparse
import datetime as dt
from collections import Counter

import dagster as dg
import numpy as np

from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.backtest.resample import stationary_bootstrap_indices
from torghut_assets.domain.drift.evaluate import evaluate_drift
from torghut_assets.domain.drift.history import DriftEvidence, SessionFacts
from torghut_assets.domain.drift.policy import DriftPolicy, parse_drift_policy
from torghut_assets.domain.drift.records import EvidenceRef, SessionRef
from torghut_assets.domain.drift.reference import DriftReference
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.drift_reference import read_reference
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record

BLOCK = 20
SESSIONS = 126
_NONE = "0" * 64


def facts_of(reference: DriftReference, row: int, session: str, loss: float) -> SessionFacts:
    """One session of the backtest as if it were traded live."""
    path = reference.path
    bars = np.concatenate([reference.bars[row], np.ones((reference.bars.shape[1], 1))], axis=1)
    weights = reference.target_weights[row]
    return SessionFacts(
        session=session,
        refs=SessionRef(session=session, intents_digest=None, fills_digest=None, tca_digest=None),
        decided_on=session,
        deployment_digest=_NONE,
        net_return_fraction=float(path.net_return[row]) - loss,
        bars=bars,
        targets=weights,
        foreign_bars=0,
        gross_fraction=float(path.gross_exposure[row]),
        largest_fraction=float(np.abs(weights).max()),
        parity_difference_fraction=0.0,
        blocked_guardrails=0,
        unexplained=0,
        costs=(),
        shortfalls_usd=(),
        ordered_notional_usd=0.0,
    )


def first_failure(
    reference: DriftReference, policy: DriftPolicy, rows: np.ndarray, loss: float, every: int
) -> tuple[int, list[str]] | None:
    """Session and measurements of the first report that fails; `None` if none does."""
    days = [f"{dt.date(2021, 1, 1) + dt.timedelta(days=i)}" for i in range(len(rows))]
    facts = [facts_of(reference, int(r), d, loss) for r, d in zip(rows, days, strict=True)]
    for n in range(1, len(rows) + 1):
        if n % every and n != len(rows):
            continue
        evidence = DriftEvidence(
            candidate_id="benchmark",
            session=days[n - 1],
            deployment=None,
            expected=tuple(days[:n]),
            facts={f.session: f for f in facts[:n]},
            previous=tuple(f.refs for f in facts[: n - 1]) or None,
            decision_age_sessions=1,
            reference=reference,
            gross_limit_fraction=1.0,
            position_limit_fraction=0.35,
            inputs=(EvidenceRef(name="benchmark", digest=None, problem=None),),
        )
        report = evaluate_drift(evidence, policy, code_version="benchmark")
        if report.verdict is Verdict.FAIL:
            return n, [reading.measurement for reading in report.failed]
    return None


def main() -> None:
    """Resample, report, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("candidate")
    parser.add_argument("snapshot")
    parser.add_argument("--paths", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--shift", type=float, default=0.0)
    parser.add_argument("--every", type=int, default=1, help="sessions from look to look")
    chosen = parser.parse_args()
    home = Home.from_environment()
    policy = parse_drift_policy(home.config_path("drift_policy").read_bytes())
    with instance_of(home) as instance:
        key = f"{chosen.candidate}|{chosen.snapshot}"
        metrics = current_record(
            instance, home.store, BacktestMetrics, dg.AssetKey("backtest_metrics"), key
        )
    if metrics is None:
        raise SystemExit(f"{key} has not been evaluated in this home")
    reference = read_reference(home.store, metrics, policy)
    loss = chosen.shift * reference.level.deviation
    generator = np.random.default_rng(chosen.seed)
    n_rows = len(reference.path.net_return)
    found, reasons = [], Counter[str]()
    for _ in range(chosen.paths):
        rows = stationary_bootstrap_indices(n_rows, BLOCK, 1, generator)[0][:SESSIONS]
        if failure := first_failure(reference, policy, rows, loss, chosen.every):
            found.append(failure[0])
            reasons.update(failure[1])
    share = len(found) / chosen.paths
    error = (share * (1 - share) / chosen.paths) ** 0.5
    median = f"{np.median(found):.0f}" if found else "none"
    print(
        f"{chosen.candidate}: {len(found)} of {chosen.paths} paths of {SESSIONS} sessions fail "
        f"({share:.3f}, standard error {error:.3f}), median session {median}, {dict(reasons)}"
    )


if __name__ == "__main__":
    main()
