"""Stages on real records: who may enter, what is written down, and what refuses."""

import json
import sqlite3

import dagster as dg
import pytest
from click.testing import CliRunner
from evaluated_examples import KEY, PASSING, REFUSED, REFUSED_KEY, SNAPSHOT, example

from torghut_assets.assets.keys import RESEARCH_FEEDBACK, STRATEGY_BUILD
from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.stage import stage as stage_command
from torghut_assets.definitions import stage_desk
from torghut_assets.domain.candidates.records import StrategyBuild
from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceError,
    StageRefusedError,
    UpstreamMissingError,
)
from torghut_assets.domain.stages.config import FreezePolicy
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.machine import stand
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.lineage import current_record, newest
from torghut_assets.resources.stage_desk import Subject

GATE = "gate_policy_evaluation"
PAPER = "shadow_paper_deployment"
NOT_ACTIVE = "live_ramp_stage_1"


@pytest.fixture
def settled(evaluated):
    with instance_of(evaluated) as instance:
        desk = stage_desk(evaluated)
        for candidate in (PASSING, REFUSED):
            desk.settle(instance, candidate, SNAPSHOT, GATE)
        yield evaluated, instance, desk


def stages(receipts):
    return [(r.decision.stage, r.outcome.value, r.decision.to_stage) for r in receipts]


def test_a_pass_advances_and_a_refusal_returns_and_both_are_written_down(settled):
    _, _, desk = settled
    assert stages(desk.of(PASSING)) == [
        ("research_intake", "pass", "candidate_build"),
        ("candidate_build", "pass", "backtest_robustness"),
        ("backtest_robustness", "pass", GATE),
        (GATE, "pass", PAPER),
    ]
    assert desk.of(PASSING)[-1].decision.held_because is None
    assert stages(desk.of(REFUSED))[-1] == (GATE, "fail", "research_intake")
    names = {ref.name for ref in desk.of(REFUSED)[-1].decision.inputs}
    assert names >= {"gate_report", "gate_policy", "research_feedback", "backtest_metrics"}


def test_settling_again_adds_nothing_and_another_policy_supersedes(settled):
    home, instance, desk = settled
    assert desk.settle(instance, PASSING, SNAPSHOT, GATE) == ()
    assert desk.settle(instance, REFUSED, SNAPSHOT, GATE) == ()
    (home.root / "config").mkdir()
    text = home.config_path("gate_policy").read_text()
    (home.root / "config" / "gate_policy.yaml").write_text(
        text.replace('policy_version: "1"', 'policy_version: "1-other"')
    )
    driver = Driver(home, instance)
    driver.step("settings", None, through="gate_report")
    driver.step("evaluation", KEY, through="research_feedback")
    added = stages(driver.settle(PASSING, SNAPSHOT, through="research_feedback"))
    assert added[0] == (PAPER, "superseded", "research_intake")
    assert added[-1] == (GATE, "pass", PAPER)


def test_no_stage_that_is_not_active_is_entered(settled):
    _, instance, desk = settled
    stages = tuple(
        stage.model_copy(update={"active": stage.name != NOT_ACTIVE})
        for stage in desk.pipeline.stages
    )
    desk.__dict__["pipeline"] = desk.pipeline.model_copy(update={"stages": stages})
    with pytest.raises(StageRefusedError, match="not active"):
        desk.settle(instance, PASSING, SNAPSHOT, NOT_ACTIVE)
    with pytest.raises(StageRefusedError, match="not active"):
        desk.guard(instance, "ramp_stage_1", f"{PASSING}|2022-01-03")
    with pytest.raises(StageRefusedError, match="not active"):
        desk.examine(instance, NOT_ACTIVE, Subject(PASSING, SNAPSHOT))


def test_a_stage_about_sessions_is_judged_only_on_a_session(settled):
    _, instance, desk = settled
    with pytest.raises(BadInputError, match=f"a session, for {PAPER}"):
        desk.examine(instance, PAPER, Subject(PASSING, SNAPSHOT))
    sides = desk.examine(instance, PAPER, Subject(PASSING, None, "2022-01-03"))
    assert {f.outcome for f in sides["requires"]} == {Outcome.PASS}
    assert {f.outcome for f in sides["ensures"]} == {Outcome.MISSING}
    assert {f.outcome for f in sides["guards.paper_orders"]} == {Outcome.MISSING}


@pytest.mark.parametrize("asset", ["order_intents", "paper_orders", "ramp_stage_1"])
def test_nothing_of_a_session_is_made_before_a_deployment(settled, asset):
    _, instance, desk = settled
    with pytest.raises((StageRefusedError, EvidenceError)):
        desk.guard(instance, asset, f"{PASSING}|2022-01-03")
    with pytest.raises(StageRefusedError, match="stands at research_intake, which is not deployed"):
        desk.guard(instance, asset, f"{REFUSED}|2022-01-03")


def failing_build(home, instance):
    """Put an intact record of a failed build into the index, as a failed plugin leaves it."""
    build = current_record(instance, home.store, StrategyBuild, STRATEGY_BUILD, PASSING)
    first = build.results[0].model_copy(update={"verdict": Verdict.FAIL, "detail": "it failed"})
    failed = build.model_copy(update={"results": (first, *build.results[1:])})
    digest = home.store.put(failed.canonical_bytes())
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            STRATEGY_BUILD, partition=PASSING, tags={"dagster/data_version": digest}
        )
    )


@pytest.mark.parametrize("asset", ["target_weights", "stress_metrics", "gate_report"])
def test_an_asset_selected_alone_is_refused_also_with_green_checks(settled, asset):
    home, instance, _ = settled
    failing_build(home, instance)
    with sqlite3.connect(home.dagster_home / "history" / "runs" / "index.db") as database:
        database.execute("update asset_check_executions set execution_status = 'SUCCEEDED'")
    before = newest(instance, dg.AssetKey(asset), KEY).digest
    with pytest.raises(StageRefusedError, match=r"requires conformance_passed|build") as refused:
        Driver(home, instance)._execute(
            "evaluation", [dg.AssetKey(asset)], KEY, lambda _: None, lambda _: None
        )
    assert refused.value.exit_code == 1
    assert newest(instance, dg.AssetKey(asset), KEY).digest == before


def test_the_guard_names_what_is_missing_and_the_command(home):
    submit(home, example(PASSING), "example")
    with (
        instance_of(home) as instance,
        pytest.raises(UpstreamMissingError, match=f"torghut run {PASSING}"),
    ):
        stage_desk(home).guard(instance, "gate_report", KEY)


def test_a_candidate_that_was_never_submitted_has_no_specification(home):
    with instance_of(home) as instance, pytest.raises(EvidenceError, match="no submitted file"):
        stage_desk(home).guard(instance, "candidate_spec", "never-seen")


def child_of(parent, name, digest):
    text = example(parent).decode()
    cited = (
        f"parent: {parent}\nprior_run_evidence:\n  - digest: {digest!r}\n    note: its refusal\n"
    )
    text = text.replace(f"candidate_id: {parent}", f"candidate_id: {name}", 1)
    assert "prior_run_evidence: []\n" in text
    return text.replace("prior_run_evidence: []\n", cited, 1).encode()


def test_a_child_enters_only_with_its_parents_feedback_and_a_frozen_line_not_at_all(settled):
    home, instance, desk = settled
    feedback = newest(instance, RESEARCH_FEEDBACK, REFUSED_KEY).digest
    for name, digest in (("child-a", "0" * 64), ("child-b", feedback)):
        submit(home, child_of(REFUSED, name, digest), f"{name}.yaml")
    driver = Driver(home, instance)
    with pytest.raises(StageRefusedError, match="parent_feedback_is_cited"):
        driver.step("candidate", "child-a", through="candidate_spec")
    assert newest(instance, dg.AssetKey("candidate_spec"), "child-a") is None
    assert driver.step("candidate", "child-b", through="candidate_spec").made == ("candidate_spec",)
    strict = FreezePolicy(stage=GATE, after_refusals=1)
    desk.__dict__["pipeline"] = desk.pipeline.model_copy(update={"freeze": strict})
    with pytest.raises(StageRefusedError, match="Only a signed decision unfreezes it"):
        desk.guard(instance, "candidate_spec", "child-b")
    assert desk.settle(instance, "child-b", None, "research_intake")[0].outcome is Outcome.FAIL
    desk.guard(instance, "candidate_spec", PASSING)


def test_the_commands_show_state_history_and_findings(settled):
    _, _, desk = settled
    run = CliRunner().invoke
    shown = run(stage_command, ["status"])
    assert shown.exit_code == 0
    assert f"{REFUSED}  research_intake  after {GATE} fail" in shown.output
    lines = run(stage_command, ["history", REFUSED, "--json"]).output.splitlines()
    assert [json.loads(line)["record"]["sequence"] for line in lines] == [
        r.sequence for r in desk.of(REFUSED)
    ]
    assert "ensures gate_passed: fail" in run(stage_command, ["history", REFUSED]).output
    judged = ["validate", GATE, "--snapshot", SNAPSHOT, "--json", "--candidate"]
    good, bad = run(stage_command, [*judged, PASSING]), run(stage_command, [*judged, REFUSED])
    assert (good.exit_code, json.loads(good.output)["outcome"]) == (0, "pass")
    assert (bad.exit_code, json.loads(bad.output)["outcome"]) == (1, "fail")
    plain = run(stage_command, ["validate", "candidate_build", "--candidate", PASSING])
    assert "requires specification_is_the_submission: the record is" in plain.output
    missing = run(stage_command, ["validate", "candidate_build", "--candidate", "never-seen"])
    assert missing.exit_code == 3
    assert isinstance(
        run(stage_command, ["validate", GATE, "--candidate", PASSING]).exception, BadInputError
    )
    assert stand(desk.pipeline, desk.of(PASSING)).stage == PAPER
