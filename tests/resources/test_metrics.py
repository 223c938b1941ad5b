"""Metrics: what is exported is what records say, and what cannot be read is said."""

import datetime as dt
import json
import re
import subprocess
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml
from command_line import torghut
from prometheus_client.parser import text_string_to_metric_families

from tests.previous_home import CANDIDATE as PASSING
from tests.previous_home import SNAPSHOT, unpack_as_of_today
from tests.service_programs import program
from torghut_assets.cli.instance import instance_of
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.metrics.collector import SOURCES, MetricsCollector, metrics_of
from torghut_assets.resources.metrics.families import BY_NAME, FAMILIES
from torghut_assets.resources.metrics.readings import Sample
from torghut_assets.resources.metrics.server import metrics_server

DEPLOY = Path(__file__).parents[2] / "deploy"
METRIC = re.compile(r"\btorghut_[a-z_]+")


@pytest.fixture
def evaluated(tmp_path, monkeypatch):
    """A home with evidence, of today's format."""
    home = unpack_as_of_today(tmp_path)
    monkeypatch.setenv("TORGHUT_HOME", str(home.root))
    return home


def shown(text):
    """Value by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def asked(home):
    done = torghut("metrics", "show", TORGHUT_HOME=str(home.root))
    assert done.returncode == 0, done.stderr
    return shown(done.stdout)


def test_the_numbers_of_an_evaluated_home_are_those_of_its_records(evaluated):
    KillSwitch(evaluated).write(None, "a drill")
    found = asked(evaluated)
    assert found["torghut_gate_reports", (("verdict", "pass"),)] == 1
    assert found["torghut_orders", (("status", "filled"),)] == 9
    assert found["torghut_order_submit_to_acknowledge_seconds_count", ()] == 9
    assert found["torghut_deployments", ()] == 1
    level = (("candidate", PASSING), ("level", "not_yet"))
    assert found["torghut_drift_level", level] == 1
    assert found["torghut_sessions_behind", (("broker", "replay"), ("candidate", PASSING))] > 1000
    assert found["torghut_gate_reports_unread", ()] == 0
    decided = {k: v for (name, k), v in found.items() if name == "torghut_stage_decisions"}
    assert decided[("outcome", "pass"), ("stage", "gate_policy_evaluation")] == 1
    assert found["torghut_ledger_entries", ()] == Ledger(evaluated).checked().size
    assert found["torghut_ledger_anchor_lag_entries", ()] == 0
    stored = [p for p in (evaluated.root / "store").rglob("*") if p.is_file()]
    assert found["torghut_artifacts", ()] == len(stored)
    assert found["torghut_artifact_store_bytes", ()] == sum(p.stat().st_size for p in stored)
    assert found["torghut_kill_switch_state", (("state", "engaged"),)] == 1
    assert found["torghut_kill_latches_engaged", ()] == 1
    assert found["torghut_runs", (("status", "success"),)] >= 7
    assert found["torghut_runs", (("status", "failure"),)] == 0
    assert all(found["torghut_source_up", (("source", s),)] == 1 for s in SOURCES)


def test_an_empty_home_has_metrics_and_no_problem(home):
    found = asked(home)
    assert found["torghut_ledger_entries", ()] == 0
    assert found["torghut_deployments", ()] == 0


@pytest.fixture
def served(evaluated):
    with instance_of(evaluated) as instance:
        collector = MetricsCollector(evaluated, instance)
        server = metrics_server(collector, "127.0.0.1", 0)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield evaluated, f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            server.server_close()
            thread.join()
            collector.close()


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=120) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_the_endpoints_answer_and_name_what_cannot_be_read(served):
    home, url = served
    status, text = get(f"{url}/metrics")
    assert status == 200
    assert ("torghut_artifacts", ()) in shown(text)
    assert get(f"{url}/healthz") == (200, '{"healthy": true, "reasons": {}}\n')
    assert get(f"{url}/")[0] == 404

    (home.ledger_path).unlink()
    for name in ("-wal", "-shm"):
        home.ledger_path.with_name(home.ledger_path.name + name).unlink(missing_ok=True)
    home.ledger_path.write_bytes(b"not a ledger" * 100)
    status, text = get(f"{url}/healthz")
    assert status == 503
    assert "ledger" in json.loads(text)["reasons"]
    found = shown(get(f"{url}/metrics")[1])
    assert found["torghut_source_up", (("source", "ledger"),)] == 0
    assert ("torghut_ledger_entries", ()) not in found
    assert found["torghut_source_up", (("source", "gates"),)] == 1


def test_later_scrapes_see_what_happened_since(evaluated, tmp_path):
    with instance_of(evaluated) as instance:
        collector = MetricsCollector(evaluated, instance)

        def entries():
            values = {s.name: s.value for s in collector.scrape().samples}
            return values["torghut_ledger_entries"], values["torghut_kill_latches_engaged"]

        before = entries()
        pack = tmp_path / "pack.zip"
        words = ("audit", "export", PASSING, "--snapshot", SNAPSHOT, "--out", str(pack))
        assert torghut(*words).returncode == 0
        KillSwitch(evaluated).write(PASSING, "a drill")
        assert entries()[0] > before[0]
        assert entries()[1] == before[1] + 1
        collector.close()


def test_a_future_head_is_not_of_negative_age(evaluated):
    with instance_of(evaluated) as instance:
        collector = MetricsCollector(
            evaluated, instance, lambda: dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        )
        ages = [s.value for s in collector.scrape().samples if s.name.endswith("_age_seconds")]
        collector.close()
    assert ages
    assert min(ages) >= 0


def test_a_sample_that_is_not_declared_or_misses_a_label_is_a_defect():
    with pytest.raises(KeyError, match="torghut_surprise"):
        list(metrics_of([Sample("torghut_surprise", 1)]))
    with pytest.raises(KeyError, match="labels"):
        list(metrics_of([Sample("torghut_runs", 1)]))


def test_a_histogram_counts_up_to_each_bound():
    (made,) = metrics_of([Sample("torghut_order_submit_to_acknowledge_seconds", [0.1, 3.0, 1e9])])
    counts = {s.labels.get("le"): s.value for s in made.samples if s.name.endswith("_bucket")}
    assert (counts["0.1"], counts["5"], counts["+Inf"]) == (1, 2, 3)


def series():
    """Names that a query may use."""
    names = set()
    for family in FAMILIES:
        suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
        names |= {family.name + suffix for suffix in suffixes}
    return names


def labels_used(query):
    return re.findall(r"(torghut_[a-z_]+)\{([^}]*)\}", query)


def queries():
    rules = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads((DEPLOY / "grafana" / "torghut.json").read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def test_alerts_and_dashboard_ask_only_for_metrics_that_exist():
    found = list(queries())
    assert len(found) > 30
    for name, query in found:
        unknown = set(METRIC.findall(query)) - series()
        assert not unknown, f"{name}: {unknown}"
        for metric, matchers in labels_used(query):
            labels = set(re.findall(r"([a-z]+)\s*[=!]", matchers))
            family = BY_NAME.get(metric) or BY_NAME[metric.removesuffix("_bucket")]
            assert labels <= {*family.labels, "le"}, f"{name}: {matchers}"


def test_every_metric_is_on_the_dashboard_or_in_an_alert():
    used = {name for _, query in queries() for name in METRIC.findall(query)}
    shown_somewhere = {f.name for f in FAMILIES if any(name.startswith(f.name) for name in used)}
    unused = set(BY_NAME) - shown_somewhere
    assert unused <= {
        "torghut_gate_reports_unread",
        "torghut_deployments",
        "torghut_order_decision_to_submit_seconds",
        "torghut_source_seconds",
    }


def test_every_alert_is_tried_both_ways_and_holds():
    promtool = program("promtool")
    folder = DEPLOY / "prometheus"
    tried = (folder / "alerts.test.yaml").read_text()
    for name in re.findall(r"alert: (\w+)", (folder / "alerts.yaml").read_text()):
        assert f"alertname: {name}, exp_alerts: []" in tried
        assert f'alertname="{name}"' in tried
    for words in (
        ("check", "config", "prometheus.yaml"),
        ("check", "rules", "alerts.yaml"),
        ("test", "rules", "alerts.test.yaml"),
    ):
        done = subprocess.run(
            [promtool, *words], cwd=folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_prometheus_reads_is_clean(evaluated):
    promtool = program("promtool")
    text = torghut("metrics", "show", TORGHUT_HOME=str(evaluated.root)).stdout
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
