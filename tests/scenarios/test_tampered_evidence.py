"""Promise 1: records decide. Whatever is edited, nothing downstream accepts it."""

import sqlite3

import dagster as dg
import pytest
from evaluated_examples import KEY, PASSING, REFUSED, REFUSED_KEY, SNAPSHOT

from torghut_assets.assets.keys import BACKTEST_METRICS, GATE_REPORT, STRESS_METRICS
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.errors import (
    EvidenceContradictionError,
    EvidenceDigestMismatchError,
    EvidenceError,
    EvidenceMissingError,
)
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.lineage import current_record, newest
from torghut_assets.resources.reports import read_published, report_path


def remake_gate_report(home, instance, key=KEY):
    """Materialize gate_report alone, as a person would in the UI."""
    driver = Driver(home, instance)
    driver._execute("evaluation", [GATE_REPORT], key, lambda _: None, lambda _: None)


def index_database(home):
    return home.dagster_home / "history" / "runs" / "index.db"


def test_an_edited_report_is_refused_by_name(evaluated):
    with instance_of(evaluated) as instance:
        event = newest(instance, GATE_REPORT, REFUSED_KEY)
        path = evaluated.store.path_of(event.digest)
        path.write_bytes(path.read_bytes().replace(b"dip-buying", b"dip-buyinh"))
        with pytest.raises(EvidenceDigestMismatchError, match=event.digest):
            Driver(evaluated, instance).gate_report(REFUSED, SNAPSHOT)


@pytest.mark.parametrize("name", ["backtest_metrics", "stress_metrics", "dataset_snapshot"])
def test_an_edited_input_stops_the_gate(evaluated, name):
    partition = SNAPSHOT if name == "dataset_snapshot" else KEY
    with instance_of(evaluated) as instance:
        digest = newest(instance, dg.AssetKey(name), partition).digest
        path = evaluated.store.path_of(digest)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(EvidenceDigestMismatchError, match=digest):
            remake_gate_report(evaluated, instance)


def test_a_missing_input_stops_the_gate_and_is_made_again_by_a_run(evaluated):
    with instance_of(evaluated) as instance:
        digest = newest(instance, STRESS_METRICS, KEY).digest
        evaluated.store.path_of(digest).unlink()
        with pytest.raises(EvidenceMissingError, match=digest):
            remake_gate_report(evaluated, instance)
        made = Driver(evaluated, instance).step("evaluation", KEY, through="stress_metrics").made
        assert made == ("stress_metrics",)
        assert newest(instance, STRESS_METRICS, KEY).digest == digest


def test_an_event_log_that_points_at_another_candidates_record_is_noticed(evaluated):
    """The refused candidate borrows the metrics of the one that passed."""
    with instance_of(evaluated) as instance:
        good = newest(instance, BACKTEST_METRICS, KEY).digest
        bad = newest(instance, BACKTEST_METRICS, REFUSED_KEY).digest
    _replace_in_index(evaluated, bad, good)
    with (
        instance_of(evaluated) as instance,
        pytest.raises(EvidenceContradictionError, match=PASSING),
    ):
        remake_gate_report(evaluated, instance, REFUSED_KEY)


def test_a_flipped_check_changes_no_verdict(evaluated):
    """Every failed check in the event log is turned green; the record still says no."""
    with sqlite3.connect(index_database(evaluated)) as database:
        flipped = database.execute(
            "update asset_check_executions set execution_status = 'SUCCEEDED' "
            "where execution_status = 'FAILED'"
        ).rowcount
    assert flipped > 0
    with instance_of(evaluated) as instance:
        assert Driver(evaluated, instance).gate_report(REFUSED, SNAPSHOT).verdict is Verdict.FAIL
        remake_gate_report(evaluated, instance, REFUSED_KEY)
        again = current_record(instance, evaluated.store, GateReport, GATE_REPORT, REFUSED_KEY)
    assert again.verdict is Verdict.FAIL


def test_an_edited_publication_is_not_shown(evaluated):
    with instance_of(evaluated) as instance:
        report = Driver(evaluated, instance).gate_report(REFUSED, SNAPSHOT)
    path = report_path(evaluated, report, "json")
    path.write_text(path.read_text().replace('"verdict": "fail"', '"verdict": "pass"'))
    with pytest.raises(EvidenceError, match="edited"):
        read_published(evaluated, report)


def test_a_policy_that_was_loosened_by_hand_makes_the_report_stale(evaluated):
    loosened = (
        evaluated.config_path("gate_policy")
        .read_text()
        .replace('policy_version: "1"', 'policy_version: "1-loose"')
    )
    (evaluated.root / "config").mkdir()
    (evaluated.root / "config" / "gate_policy.yaml").write_text(loosened)
    with instance_of(evaluated) as instance:
        driver = Driver(evaluated, instance)
        before = driver.gate_report(PASSING, SNAPSHOT)
        assert driver.step("settings", None, through="gate_report").made == ("gate_policy",)
        assert driver.step("evaluation", KEY, through="gate_report").made == ("gate_report",)
        after = driver.gate_report(PASSING, SNAPSHOT)
    assert after.policy_digest != before.policy_digest
    assert evaluated.store.get(before.digest), "the earlier report is still there"


def _replace_in_index(home, old, new):
    """Edit the event log as a person with database access would."""
    assert len(old) == len(new)
    for path in (home.dagster_home / "history" / "runs").glob("*.db"):
        with sqlite3.connect(path) as database:
            for table, column in (("event_logs", "event"), ("asset_event_tags", "value")):
                database.execute(
                    f"update {table} set {column} = replace({column}, ?, ?)", (old, new)
                )
