"""`overfit_diagnostics` in the graph, on real data: record, pictures, check, holdout."""

import sqlite3
from contextlib import closing

import dagster as dg
import pytest
from evaluated_examples import KEY, PASSING, REFUSED_KEY, SNAPSHOT, example

from torghut_assets.assets.keys import BACKTEST_METRICS, OVERFIT_DIAGNOSTICS, TRIAL_POLICY
from torghut_assets.checks.overfit import trials_counted
from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import HoldoutReceipt
from torghut_assets.resources.evaluation_desk import EvaluationDesk
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record


def stored(home, model, key, partition):
    with instance_of(home) as instance:
        return current_record(instance, home.store, model, key, partition)


def counted_again(home, record):
    return trials_counted(home=home, desk=EvaluationDesk(home), overfit_diagnostics=record)


@pytest.fixture(scope="module")
def seen(evaluated_home):
    home = Home.at(evaluated_home)
    return home, {
        key: stored(home, OverfitDiagnostics, OVERFIT_DIAGNOSTICS, key)
        for key in (KEY, REFUSED_KEY)
    }


def test_trials_are_those_of_the_register(seen):
    home, records = seen
    policy = stored(home, TrialPolicy, TRIAL_POLICY, None)
    count = EvaluationDesk(home).register(policy).count(PASSING)
    assert records[KEY].trials_raw == count.raw
    assert records[KEY].trials_declared_outside == count.declared_outside
    assert counted_again(home, records[KEY]).passed


def test_every_statistic_of_an_honest_candidate_is_measured(seen):
    home, records = seen
    record = records[KEY]
    metrics = stored(home, BacktestMetrics, BACKTEST_METRICS, KEY)
    assert record.not_measured == {}
    assert record.backtest_digest == metrics.digest
    assert record.observed_bars == metrics.out_of_sample.n_bars
    assert record.trials_with_returns == metrics.grid_points


def test_one_candidate_keeps_the_limits_of_issue_three_and_one_does_not(seen):
    _, records = seen
    kept = {
        key: record.dsr >= 0.95 and record.pbo <= 0.10 and record.spa_p_consistent <= 0.05
        for key, record in records.items()
    }
    assert kept == {KEY: True, REFUSED_KEY: False}


def test_the_holdout_was_opened_once_with_a_receipt(seen):
    home, records = seen
    policy = stored(home, TrialPolicy, TRIAL_POLICY, None)
    entries = EvaluationDesk(home).register(policy).entries()
    receipts = {e.digest: e for e in entries if isinstance(e, HoldoutReceipt)}
    for record in records.values():
        receipt = receipts[record.holdout.receipt_digest]
        assert receipt.candidate_id == record.inputs.candidate_id
        assert record.holdout.looks == 1
        assert record.holdout.n_bars > 200
    assert len(receipts) == 2


def test_the_pictures_and_the_table_are_in_the_metadata(seen):
    home, records = seen
    with instance_of(home) as instance:
        event = instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=OVERFIT_DIAGNOSTICS, asset_partitions=[KEY]), limit=1
        ).records[0]
    metadata = event.asset_materialization.metadata
    for name in ("pbo_logits", "parameter_sensitivity", "bootstrap_fan"):
        assert "data:image/png;base64," in metadata[name].value, name
    table = {row.data["statistic"]: row.data["value"] for row in metadata["statistics"].records}
    assert table["deflated Sharpe ratio, raw N"] == round(records[KEY].dsr, 4)
    assert "decides" in metadata["which_n_decides"].value


def test_a_record_with_another_n_is_found(seen):
    home, records = seen
    fewer = records[KEY].model_copy(update={"trials_raw": records[KEY].trials_raw - 50})
    result = counted_again(home, fewer)
    assert not result.passed
    assert "the register says" in result.description


def test_a_count_below_the_grid_is_found(seen):
    home, records = seen
    result = counted_again(home, records[KEY].model_copy(update={"trials_raw": 1}))
    assert "is below the" in result.description


def test_a_broken_register_is_found(evaluated):
    record = stored(evaluated, OverfitDiagnostics, OVERFIT_DIAGNOSTICS, KEY)
    with closing(sqlite3.connect(evaluated.trial_register_path)) as database:
        names = database.execute("select name from sqlite_master where type = 'trigger'")
        for (name,) in names.fetchall():
            database.execute(f"drop trigger {name}")
        (table,) = database.execute(
            "select name from sqlite_master where type = 'table'"
        ).fetchone()
        database.execute(f"delete from {table} where sequence = 2")
        database.commit()
    assert not counted_again(evaluated, record).passed


def test_a_child_with_a_smaller_grid_inherits_trials_spread_and_the_spent_holdout(evaluated):
    """Renaming and shrinking the grid hides neither N, nor the variance, nor the look."""
    child = "tsmom-renamed-v1"
    document = (
        example(PASSING)
        .decode()
        .replace(f"candidate_id: {PASSING}", f"candidate_id: {child}")
        .replace("lookback_bars: [189, 252]", "lookback_bars: [252]")
        .replace("declared_outside_trials: 132", "declared_outside_trials: 0")
    )
    submit(evaluated, document.encode(), "child.yaml")
    parent = stored(evaluated, OverfitDiagnostics, OVERFIT_DIAGNOSTICS, KEY)
    with instance_of(evaluated) as instance:
        driver = Driver(evaluated, instance)
        for step, partition in (("candidate", child), ("evaluation", f"{child}|{SNAPSHOT}")):
            driver.step(step, partition, through="overfit_diagnostics")
    record = stored(evaluated, OverfitDiagnostics, OVERFIT_DIAGNOSTICS, f"{child}|{SNAPSHOT}")
    assert record.trials_raw == parent.trials_raw + 3
    assert record.trials_declared_outside == 132
    assert record.trials_with_returns == 3 + 6
    assert record.holdout is None
    assert "the policy allows 1" in record.holdout_refusal
    assert counted_again(evaluated, record).passed
