"""The conditions after the gate, on the records of a session that was really traded.

The home's drift policy is so strict that the session's report fails: the same records show a
breach, and the rollback that followed.
"""

import shutil

import dagster as dg
import pytest
from evaluated_examples import PASSING, SNAPSHOT
from stage_evidence import SHIPPED, MemoryReader

from torghut_assets.assets.keys import ASSETS
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.session import trade
from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.drift.records import Level
from torghut_assets.domain.orders.records import Difference
from torghut_assets.domain.stages.conditions import CONDITIONS, examine
from torghut_assets.domain.stages.evidence import Outcome, StageEvidence
from torghut_assets.domain.stages.machine import decide
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.candidate_files import read_candidate
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record

SESSION = "2022-01-03"
TRADING = [n for n, c in CONDITIONS.items() if c.judge.__module__.endswith("trading_conditions")]
NOT_PASSED = {"no_drift_and_no_breach": Outcome.FAIL, "paper_gate_passed": Outcome.INCONCLUSIVE}


@pytest.fixture(scope="module")
def traded(evaluated_home, tmp_path_factory):
    """Every record of one evaluation, one session and its rollback, by asset; and the result."""
    root = tmp_path_factory.mktemp("traded") / "home"
    shutil.copytree(evaluated_home, root)
    home = Home.at(root)
    (root / "config").mkdir()
    text = home.config_path("drift_policy").read_text()
    strict = text.replace("    degrade: 1.05\n    fail: 1.2\n", "    degrade: 0.1\n    fail: 0.2\n")
    assert strict != text
    (root / "config" / "drift_policy.yaml").write_text(strict)
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.settle(PASSING, SNAPSHOT, through="research_feedback")
        result = trade(driver, PASSING, SESSION)
        found = {}
        for name, made in ASSETS.items():
            partition = {
                "none": None,
                "candidate": PASSING,
                "snapshot": SNAPSHOT,
                "evaluation": f"{PASSING}|{SNAPSHOT}",
                "session": f"{PASSING}|{SESSION}",
            }[made.dimension]
            record = current_record(
                instance, home.store, made.record_type, dg.AssetKey(name), partition
            )
            if record is not None:
                found[name] = record
    spec = parse_candidate_spec(read_candidate(home, PASSING), location="submitted")
    return found, spec, result


@pytest.fixture
def reader(traded):
    records, spec, _ = traded
    return MemoryReader(
        records=dict(records), submitted=spec, code=records["strategy_build"].code_digest
    )


def found(reader, name):
    evidence = StageEvidence(PASSING, SNAPSHOT, reader, SESSION)
    return examine((name,), evidence)[0]


def changed(reader, name, **changes):
    reader.records[name] = reader.records[name].model_copy(update=changes)


def test_the_session_was_traded_and_taken_back(traded):
    records, _, result = traded
    assert (result.drift, result.rolled_back, result.stands_at) == ("fail", True, "research_intake")
    assert records["drift_report"].level is Level.FAIL
    assert records["rollback_receipt"].verdict is Verdict.PASS


@pytest.mark.parametrize("name", TRADING)
def test_each_condition_finds_what_the_records_say(reader, name):
    assert found(reader, name).outcome is NOT_PASSED.get(name, Outcome.PASS)


@pytest.mark.parametrize("name", TRADING)
def test_a_missing_record_holds_and_is_never_a_pass(reader, name):
    if name == "kill_switch_is_off":
        return
    looked_at = {ref.name for ref in found(reader, name).looked_at}
    assert looked_at
    for record in looked_at:
        poorer = MemoryReader(records=dict(reader.records), submitted=None, code="")
        del poorer.records[record]
        assert found(poorer, name).outcome is Outcome.MISSING, record


def _kill(reader):
    reader.killed = "latch 1: drill"


def _other_policy(reader):
    limits = reader.records["order_limits"]
    reader.records["order_limits"] = limits.model_copy(update={"max_messages": 7})


def _block(reader):
    first = reader.records["order_intents"].guardrails[0]
    failed = first.model_copy(update={"verdict": Verdict.FAIL})
    rest = reader.records["order_intents"].guardrails[1:]
    changed(reader, "order_intents", guardrails=(failed, *rest))


def _another_weight(reader):
    changed(reader, "order_intents", parity_max_difference_fraction=0.1)


def _not_compared(reader):
    changed(reader, "order_intents", parity_sessions=0)


def _borrowed_key(reader):
    one, two, *rest = reader.records["order_intents"].intents
    borrowed = two.model_copy(update={"key": one.key})
    changed(reader, "order_intents", intents=(one, borrowed, *rest))


def _unexplained(reader):
    odd = Difference(what="cash", name="USD", ours="1", brokers="2")
    changed(reader, "paper_fills", differences=(odd,))


def _other_orders(reader):
    changed(reader, "paper_fills", orders_digest="9" * 64)


def _other_gate_policy(reader):
    changed(reader, "paper_gate_policy", min_interval_sessions=41)


def _judged_on_other_fills(reader):
    changed(reader, "paper_fills", cash_usd=1.0)


def _other_deployment(reader):
    changed(reader, "paper_deployment", budget_usd=1.0)


def _nobody_looked(reader):
    changed(reader, "rollback_receipt", read_back=None)


def _another_plan(reader):
    changed(reader, "rollback_plan", broker="another")


def _without_the_receipt(reader):
    kept = tuple(
        item
        for item in reader.records["incident_report"].evidence
        if item.digest != reader.records["rollback_receipt"].digest
    )
    changed(reader, "incident_report", evidence=kept)


SPOILT = [
    ("kill_switch_is_off", _kill, Outcome.INCONCLUSIVE),
    ("deployment_rests_on_the_gate_report", _other_policy, Outcome.MISSING),
    ("risk_guardrails_passed", _block, Outcome.FAIL),
    ("intents_repeat_the_backtest", _another_weight, Outcome.FAIL),
    ("intents_repeat_the_backtest", _not_compared, Outcome.INCONCLUSIVE),
    ("idempotency_keys_are_new", _borrowed_key, Outcome.FAIL),
    ("orders_are_reconciled", _unexplained, Outcome.FAIL),
    ("orders_are_reconciled", _other_orders, Outcome.MISSING),
    ("orders_are_reconciled", _other_deployment, Outcome.MISSING),
    ("paper_gate_passed", _other_gate_policy, Outcome.MISSING),
    ("paper_gate_passed", _judged_on_other_fills, Outcome.MISSING),
    ("no_drift_and_no_breach", _judged_on_other_fills, Outcome.MISSING),
    ("trigger_is_recorded", _other_deployment, Outcome.MISSING),
    ("prior_configuration_is_read_back", _nobody_looked, Outcome.INCONCLUSIVE),
    ("prior_configuration_is_read_back", _another_plan, Outcome.MISSING),
    ("orders_are_cancelled", _nobody_looked, Outcome.INCONCLUSIVE),
    ("incident_is_classified", _without_the_receipt, Outcome.MISSING),
    ("incident_is_classified", _another_plan, Outcome.MISSING),
]


@pytest.mark.parametrize(("name", "spoil", "expected"), SPOILT)
def test_each_condition_notices_what_it_is_for(reader, name, spoil, expected):
    spoil(reader)
    assert found(reader, name).outcome is expected


def test_every_condition_of_trading_is_spoilt_in_some_way():
    assert {name for name, _, _ in SPOILT} >= set(TRADING) - {"deployment_is_recorded"}


def test_a_breach_leads_from_paper_trading_to_the_rollback_and_to_research(reader):
    evidence = StageEvidence(PASSING, SNAPSHOT, reader, SESSION)
    paper = decide(SHIPPED, "shadow_paper_deployment", evidence, "c" * 64)
    assert (paper.outcome, paper.to_stage) == (Outcome.FAIL, "rollback_incident")
    assert (paper.session, paper.snapshot_id) == (SESSION, SNAPSHOT)
    back = decide(SHIPPED, "rollback_incident", evidence, "c" * 64)
    assert (back.outcome, back.to_stage) == (Outcome.PASS, "research_intake")
