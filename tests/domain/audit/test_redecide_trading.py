"""Drift, rollbacks and incidents are decided again; whatever was embellished comes out."""

import functools
import sys
from pathlib import Path

import numpy as np
import pytest
from drift_evidence import policy as drift_policy
from drift_evidence import random_bars
from monitored_examples import SYMBOLS, sessions_of_2022, traded
from redecision_examples import Known
from session_examples import deployment as any_deployment
from session_examples import digest_of

sys.path.append(str(Path(__file__).parents[1] / "gates"))

import gate_evidence

import torghut_assets
from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.redecide_trading import (
    redecide_drift,
    redecide_incident,
    redecide_rollback,
)
from torghut_assets.domain.audit.redecided import CannotDecideError
from torghut_assets.domain.backtest.settings import parse_risk_limits
from torghut_assets.domain.drift.evaluate import evaluate_drift
from torghut_assets.domain.drift.history import DriftEvidence, session_facts
from torghut_assets.domain.drift.records import EvidenceRef
from torghut_assets.domain.drift.reference import DriftReference, ReferencePath
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.rollback.decide import (
    Situation,
    rollback_plan,
    silence_of,
    triggers_of_drift,
)
from torghut_assets.domain.rollback.incident import Aftermath, incident_report
from torghut_assets.domain.rollback.records import (
    EvidenceItem,
    Holding,
    Notification,
    ReadBack,
    RollbackReceipt,
    TimelineEntry,
)
from torghut_assets.domain.verdicts import Verdict

CONFIG = Path(torghut_assets.__file__).parent / "config"
LIMITS = parse_risk_limits((CONFIG / "risk_limits.yaml").read_bytes())
DAYS = 5


@functools.cache
def seen():
    """600 sessions of six symbols, as a backtest might have seen them."""
    n, generator = 600, np.random.default_rng(5)
    days = np.datetime64("2015-01-01") + np.arange(n)
    returns = 0.0008 + 0.01 * generator.standard_normal(n)
    bars = np.concatenate([random_bars(n, s)[:, :, :4] for s in (6, 7, 8)], axis=1)
    weights = 0.1 + 0.02 * generator.standard_normal((n, len(SYMBOLS)))
    path = ReferencePath(days, returns, np.full(n, 0.75))
    return DriftReference(path, bars[:, : len(SYMBOLS)], weights, drift_policy().reference)


@functools.cache
def case():
    """A candidate that loses 3 % a day: its reports and everything they rest on."""
    metrics = gate_evidence.passing().backtest_metrics
    traded_symbols = tuple(symbol.symbol for symbol in metrics.by_symbol)
    deployment = any_deployment(
        symbols=SYMBOLS,
        backtest_metrics_digest=metrics.digest,
        target_weights_digest=metrics.target_weights_digest,
    )
    assert traded_symbols
    days = traded(deployment, sessions_of_2022(DAYS)[-1], crash_from=sessions_of_2022(1)[0])
    facts = [session_facts(d.intents, d.fills, d.tca, deployment) for d in days]
    known = Known(
        deployment,
        drift_policy(),
        LIMITS,
        metrics,
        *(r for d in days for r in (d.intents, d.fills, d.tca)),
        seen=seen(),
    )
    reports, previous = [], None
    for number, day in enumerate(days, start=1):
        so_far = facts[:number]
        refs = so_far[-1].refs
        named = (
            ("paper_deployment", deployment.digest),
            ("risk_limits", LIMITS.digest),
            ("order_intents", refs.intents_digest),
            ("paper_fills", refs.fills_digest),
            ("paper_tca", refs.tca_digest),
            ("backtest_metrics", deployment.backtest_metrics_digest),
            ("target_weights", deployment.target_weights_digest),
        )
        evidence = DriftEvidence(
            candidate_id=deployment.candidate_id,
            session=day.session,
            deployment=deployment,
            expected=tuple(f.session for f in so_far),
            facts={f.session: f for f in so_far},
            previous=previous,
            decision_age_sessions=1,
            reference=seen(),
            gross_limit_fraction=LIMITS.max_gross_fraction,
            position_limit_fraction=LIMITS.max_symbol_fraction,
            inputs=tuple(EvidenceRef(name=n, digest=d, problem=None) for n, d in named),
        )
        report = evaluate_drift(evidence, drift_policy(), code_version="test")
        previous = report.window
        reports.append(report)
        known.by_digest[report.digest] = report
    return deployment, days, reports, known


@pytest.fixture(autouse=True)
def _same_symbols(monkeypatch):
    """The gate's example trades other symbols than the sessions do."""
    monkeypatch.setattr(
        "torghut_assets.domain.audit.redecide_trading.require_same_backtest", lambda *_: None
    )


def test_every_report_comes_out_again():
    _, _, reports, known = case()
    assert [redecide_drift(report, known).verdict for report in reports][-1] == "fail"
    assert all(redecide_drift(report, known).digest == report.digest for report in reports)


def kinder(report):
    return tuple(
        reading.model_copy(update={"measured": reading.fail})
        if reading.measured is not None and reading.fail is not None
        else reading
        for reading in report.readings
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda r: {"readings": kinder(r)},
        lambda r: {"window": r.window[1:]},
        lambda r: {"first_session": r.window[1].session, "window": r.window[1:]},
        lambda r: {"policy_version": "2"},
        lambda r: {
            "readings": tuple(x.model_copy(update={"fail": None}) for x in r.readings),
        },
        lambda r: {"inputs": r.inputs[1:]},
        lambda r: {"window": (*r.window[:-1], r.window[-2])},
    ],
)
def test_an_embellished_report_does_not_come_out_again(change):
    _, _, reports, known = case()
    lied = reports[-1].model_copy(update=change(reports[-1]))
    assert lied.digest != reports[-1].digest
    with pytest.raises(PackFaultError) as caught:
        redecide_drift(lied, known)
    assert caught.value.fault is PackFault.DECISION_DIFFERS


def test_a_report_that_says_its_evidence_was_missing_is_worse_and_comes_out():
    _, _, reports, known = case()
    last = reports[-1]
    problem = {"backtest_metrics", "target_weights"}
    claimed = last.model_copy(
        update={
            "inputs": tuple(
                ref.model_copy(update={"problem": "it cannot be read"})
                if ref.name in problem
                else ref
                for ref in last.inputs
            )
        }
    )
    with pytest.raises(PackFaultError, match="readings"):
        redecide_drift(claimed, known)


def test_a_session_without_records_is_a_reading_that_fails():
    _, _, reports, known = case()
    last = reports[-1]
    gap = last.window[1].model_copy(
        update={"intents_digest": None, "fills_digest": None, "tca_digest": None}
    )
    with pytest.raises(PackFaultError, match="readings"):
        redecide_drift(
            last.model_copy(update={"window": (last.window[0], gap, *last.window[2:])}), known
        )


def test_without_its_records_or_tables_a_report_is_not_decided():
    _, days, reports, known = case()
    with pytest.raises(PackFaultError) as caught:
        redecide_drift(reports[-1], known.without(days[0].fills))
    assert caught.value.fault is PackFault.RECORD_MISSING
    with pytest.raises(CannotDecideError, match="without data"):
        redecide_drift(reports[-1], Known(*known.by_digest.values()))


def test_records_of_another_session_are_no_evidence():
    _, _, reports, known = case()
    last = reports[-1]
    mixed = last.window[0].model_copy(update={"fills_digest": last.window[1].fills_digest})
    with pytest.raises(EvidenceError, match="fills of"):
        redecide_drift(last.model_copy(update={"window": (mixed, *last.window[1:])}), known)


def plan_of(triggers=None, **changes):
    deployment, days, reports, known = case()
    held = tuple(
        Holding(symbol=p.symbol, quantity=p.quantity)
        for p in days[-1].fills.positions
        if p.quantity
    )
    plan = rollback_plan(
        deployment,
        reports[-1].session,
        triggers or triggers_of_drift(reports[-1]),
        Situation(held, days[-1].fills.digest, None, (), digest_of("journal")),
        drift_policy(),
    )
    return plan.model_copy(update=changes), known


def test_a_rollback_comes_out_again():
    assert case()[2][-1].verdict is Verdict.FAIL
    plan, known = plan_of()
    assert redecide_rollback(plan, known).subject == plan.subject


@pytest.mark.parametrize(
    "change",
    [
        lambda p: {"targets": tuple(t.model_copy(update={"quantity": 1}) for t in p.targets)},
        lambda p: {"known_holdings": ()},
        lambda p: {"mode": "reduce_only" if p.mode == "flat" else "flat"},
        lambda p: {
            "triggers": tuple(
                t.model_copy(update={"circumstance": "data_drift", "detail": "it was nothing"})
                for t in p.triggers[:1]
            )
        },
        lambda p: {"broker": "another"},
    ],
)
def test_an_embellished_rollback_does_not_come_out_again(change):
    plan, known = plan_of()
    lied = plan.model_copy(update=change(plan))
    assert lied.digest != plan.digest
    with pytest.raises(PackFaultError) as caught:
        redecide_rollback(lied, known)
    assert caught.value.fault is PackFault.DECISION_DIFFERS


def test_a_champion_that_the_deployment_does_not_name_is_not_restored():
    from torghut_assets.domain.orders.records import Champion

    plan, known = plan_of()
    champion = Champion(candidate_id="somebody-else-v1", deployment_digest="a" * 64)
    with pytest.raises(PackFaultError, match="no champion of its own"):
        redecide_rollback(plan.model_copy(update={"restores": champion}), known)


def test_silence_has_no_record_to_decide_from():
    budget = drift_policy().silence
    found = silence_of(sessions_of_2022(20), (), budget)
    plan, known = plan_of(triggers=(found,))
    with pytest.raises(CannotDecideError, match="silence"):
        redecide_rollback(plan, known)


def incident():
    plan, known = plan_of()
    receipt = RollbackReceipt(
        candidate_id=plan.candidate_id,
        session=plan.session,
        plan_digest=plan.digest,
        mode=plan.mode,
        broker=plan.broker,
        restores=None,
        in_force_digest=None,
        targets=plan.targets,
        orders=(),
        read_back=ReadBack(read_at="2022-01-08T00:00:00Z", holdings=(), open_orders=()),
        problems=("the broker answered twice",),
        journal_head=digest_of("journal after"),
    )
    report = incident_report(
        plan,
        receipt,
        drift_policy(),
        (),
        Aftermath(
            (
                TimelineEntry(
                    at="2022-01-08T00:00:00Z", what="read back", source="receipt", digest=None
                ),
            ),
            (EvidenceItem(name="drift_report", digest=case()[2][-1].digest),),
            None,
            (Notification(channel="log", outcome="delivered", detail=""),),
        ),
    )
    return report, Known(*known.by_digest.values(), plan, receipt)


def test_an_incident_comes_out_again():
    report, known = incident()
    assert "unknown" in redecide_incident(report, known).verdict


@pytest.mark.parametrize(
    "change",
    [
        lambda r: {"receipt_state": "restored"},
        lambda r: {"findings": ()},
        lambda r: {"circumstances": r.circumstances[:1]},
        lambda r: {
            "rules": tuple(x.model_copy(update={"demands_kill_switch": False}) for x in r.rules)
        },
        lambda r: {"evidence": r.evidence[1:]},
        lambda r: {"session": "2022-01-03"},
    ],
)
def test_an_embellished_incident_does_not_come_out_again(change):
    report, known = incident()
    lied = report.model_copy(update=change(report))
    assert lied.digest != report.digest
    with pytest.raises(PackFaultError) as caught:
        redecide_incident(lied, known)
    assert caught.value.fault is PackFault.DECISION_DIFFERS


def test_a_receipt_of_another_plan_is_no_evidence_of_an_incident():
    report, known = incident()
    receipt = next(r for r in known.by_digest.values() if isinstance(r, RollbackReceipt))
    other = receipt.model_copy(update={"plan_digest": "b" * 64})
    swapped = report.model_copy(
        update={
            "evidence": tuple(
                item.model_copy(update={"digest": other.digest})
                if item.name == "rollback_receipt"
                else item
                for item in report.evidence
            )
        }
    )
    with pytest.raises(PackFaultError, match="plan"):
        redecide_incident(swapped, Known(*known.by_digest.values(), other))
