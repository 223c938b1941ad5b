"""Every run is told to a collector, in its words, at least once, whoever was down meanwhile."""

import copy
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dagster as dg
import jsonschema
import pytest
from command_line import torghut
from evaluated_examples import KEY, REFUSED_KEY
from openlineage_forms import require_event

from torghut_assets.assets.keys import ASSETS
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources import openlineage_outbox
from torghut_assets.resources.lineage import newest
from torghut_assets.resources.openlineage_outbox import CollectorDownError, Outbox, shown
from torghut_assets.sensors.lineage_emission import lineage_emission

TYPES = {name: made.record_type for name, made in ASSETS.items()}


class Collector:
    """A collector on loopback that answers as it is told: a status, or `hang`."""

    def __init__(self):
        self.taken, self.seen, self.answers, self.authorized = [], [], [], []
        self.free = threading.Event()

    def __enter__(self):
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                answer = collector.answers.pop(0) if collector.answers else 201
                collector.seen.append(body)
                collector.authorized.append(self.headers.get("Authorization"))
                if answer == "hang":
                    collector.free.wait(60)
                    return
                if answer == 201:
                    collector.taken.append(json.loads(body))
                self.send_response(answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.free.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def names(self):
        return [(e["run"]["runId"], e["eventType"]) for e in self.taken]


@pytest.fixture
def collector():
    with Collector() as made:
        yield made


@pytest.fixture
def instance(home):
    with instance_of(home) as made:
        yield made


@dg.asset(check_specs=[dg.AssetCheckSpec("small", asset="some_asset")])
def some_asset():
    yield dg.MaterializeResult(
        data_version=dg.DataVersion("a" * 64),
        check_results=[dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN)],
    )


@dg.asset
def broken_asset():
    raise ValueError("the disk is full\nand a secret stands in line two")


def run(instance, asset, **tags):
    done = dg.materialize([asset], instance=instance, raise_on_error=False, tags=tags)
    return done.run_id


def outbox(home, place):
    return Outbox(home, place, TYPES)


def test_the_events_of_a_real_evaluation_follow_the_schemas(evaluated, tmp_path):
    out = tmp_path / "lineage.ndjson"
    done = torghut("lineage", "emit", "--to", f"file:{out}", "--json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len(events) == json.loads(done.stdout)["delivered"] > 0
    for event in events:
        require_event(event)
    by_type = {(e["run"]["runId"], e["eventType"]) for e in events}
    assert by_type == {(run_id, t) for run_id, _ in by_type for t in ("START", "COMPLETE")}
    with instance_of(evaluated) as instance:
        report = newest(instance, dg.AssetKey("gate_report"), KEY)
    (ended,) = (
        e for e in events if e["eventType"] == "COMPLETE" and e["run"]["runId"] == report.run_id
    )
    outputs = {o["name"]: o["facets"] for o in ended["outputs"]}
    facets = outputs[f"gate_report[{KEY}]"]
    assert facets["version"]["datasetVersion"] == report.digest
    assert facets["torghut_digest"]["digest"] == report.digest
    assert facets["torghut_digest"]["ledgerSequence"] > 0
    assert {"gate_report", "policy_digest"} - {f["name"] for f in facets["schema"]["fields"]} == {
        "gate_report"
    }
    inputs = {i["name"]: i for i in ended["inputs"]}
    assert inputs["dataset_snapshot[us-megacaps@2021-12-31]"]["facets"]["version"]
    quality = inputs[f"gate_report[{KEY}]"]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert [(a["assertion"], a["success"]) for a in quality] == [("gate_decision", True)]
    refused = [
        a
        for e in events
        for i in e.get("inputs", ())
        if i["name"] == f"gate_report[{REFUSED_KEY}]"
        for a in i.get("inputFacets", {}).get("dataQualityAssertions", {}).get("assertions", ())
    ]
    assert [a["success"] for a in refused] == [False]
    assert len(ended["job"]["facets"]["torghut_code"]["codeDigest"]) == 64
    again = torghut("lineage", "emit", "--to", f"file:{out}", "--json")
    assert json.loads(again.stdout)["delivered"] == 0


def test_a_broken_event_is_found(home, instance, collector):
    """The check of the forms can fail: each required field and type is looked at."""
    run(instance, some_asset, **{"dagster/backfill": "abcdefgh"})
    outbox(home, collector.url).emit(instance)
    event = collector.taken[-1]
    require_event(event)
    for path, value in (
        (("eventTime",), "yesterday"),
        (("run", "runId"), "abcdefgh"),
        (("job", "name"), None),
        (("run", "facets", "parent", "job"), {}),
        (("outputs", 0, "facets", "version", "datasetVersion"), 7),
        (("outputs", 0, "facets", "version", "_schemaURL"), "https://example.test/x"),
        (("outputs", 0, "facets", "torghut_digest", "digest"), "short"),
        (("inputs", 0, "inputFacets", "dataQualityAssertions", "assertions", 0, "success"), "no"),
        (("inputs", 0, "inputFacets", "dataQualityAssertions", "assertions", 0, "extra"), 1),
    ):
        changed = copy.deepcopy(event)
        inner = changed
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = value
        with pytest.raises((AssertionError, jsonschema.ValidationError)):
            require_event(changed)


def test_a_failed_run_ends_in_fail_with_its_first_line(home, instance, collector):
    run_id = run(instance, broken_asset)
    outbox(home, collector.url).emit(instance)
    assert collector.names == [(run_id, "START"), (run_id, "FAIL")]
    (message,) = [
        e["run"]["facets"]["errorMessage"]["message"]
        for e in collector.taken
        if e["eventType"] == "FAIL"
    ]
    assert "the disk is full" in message
    assert "stackTrace" not in json.dumps(collector.taken)
    for event in collector.taken:
        require_event(event)


def test_a_run_of_a_backfill_and_a_retry_name_their_parent(home, instance, collector):
    first = run(instance, some_asset, **{"dagster/backfill": "abcdefgh"})
    second = run(instance, some_asset, **{"dagster/backfill": "abcdefgh"})
    third = run(instance, some_asset, **{"dagster/parent_run_id": first})
    outbox(home, collector.url).emit(instance)
    parents = {e["run"]["runId"]: e["run"]["facets"]["parent"] for e in collector.taken}
    assert parents[first]["run"] == parents[second]["run"]
    assert parents[first]["job"]["name"] == "backfill abcdefgh"
    assert parents[third]["run"]["runId"] == first


def test_what_a_collector_did_not_take_comes_later_once_and_in_order(
    home, instance, collector, monkeypatch
):
    monkeypatch.setattr(openlineage_outbox, "_SECONDS", 0.5)
    runs = [run(instance, some_asset) for _ in range(3)]
    expected = [(run_id, t) for run_id in runs for t in ("START", "COMPLETE")]
    collector.answers = [201, 500, 201, "hang", 503, 429, 201, 401]
    for taken in (1, 2, 2, 2, 3):
        with pytest.raises(CollectorDownError) as down:
            outbox(home, collector.url).emit(instance)
        assert collector.names == expected[:taken]
        assert down.value.waiting == len(expected) - taken
    assert outbox(home, collector.url).emit(instance).delivered == 3
    assert collector.names == expected
    assert outbox(home, collector.url).emit(instance).delivered == 0
    more = run(instance, some_asset)
    assert outbox(home, collector.url).emit(instance).delivered == 2
    assert collector.names[-1] == (more, "COMPLETE")


def test_a_crash_between_delivery_and_note_sends_the_same_bytes_again(
    home, instance, collector, monkeypatch
):
    run(instance, some_asset)
    first = outbox(home, collector.url)
    send = first._send

    def killed(event):
        send(event)
        raise KeyboardInterrupt

    monkeypatch.setattr(first, "_send", killed)
    with pytest.raises(KeyboardInterrupt):
        first.emit(instance)
    assert outbox(home, collector.url).emit(instance).delivered == 2
    assert len(collector.seen) == 3
    assert collector.seen[0] == collector.seen[1]


def test_a_collector_that_is_not_there_loses_nothing(home, instance, collector):
    run(instance, some_asset)
    with Collector() as gone:
        url = gone.url
    with pytest.raises(CollectorDownError, match="2 events wait"):
        outbox(home, url).emit(instance)
    assert outbox(home, collector.url).emit(instance).delivered == 2


def test_an_event_that_is_refused_for_good_does_not_hold_up_the_others(home, instance, collector):
    run(instance, some_asset)
    run(instance, some_asset)
    collector.answers = [201, 422]
    done = outbox(home, collector.url).emit(instance)
    assert (done.delivered, len(done.refused)) == (3, 1)
    assert "status 422" in done.refused[0]
    assert outbox(home, collector.url).emit(instance) == (0, ())


def test_an_unfinished_run_owes_its_start_and_later_its_end(home, instance, collector):
    job = dg.define_asset_job("one", selection=[some_asset])
    made = instance.create_run_for_job(
        dg.Definitions(assets=[some_asset], jobs=[job]).resolve_job_def("one")
    )
    assert outbox(home, collector.url).emit(instance).delivered == 0
    for event, expected in (
        (dg.DagsterEventType.RUN_START, "START"),
        (dg.DagsterEventType.RUN_CANCELED, "ABORT"),
    ):
        instance.report_dagster_event(
            dg.DagsterEvent(event_type_value=event.value, job_name="one", message=""), made.run_id
        )
        outbox(home, collector.url).emit(instance)
        assert collector.names[-1] == (made.run_id, expected)
    assert len(collector.names) == 2


def test_the_sensor_delivers_runs_that_nobody_started_from_the_shell(
    home, instance, collector, monkeypatch
):
    run_id = run(instance, some_asset)
    monkeypatch.delenv("TORGHUT_LINEAGE", raising=False)

    def tick():
        context = dg.build_sensor_context(instance=instance, resources={"home": home})
        return lineage_emission(context).skip_message

    assert "names no collector" in tick()
    monkeypatch.setenv("TORGHUT_LINEAGE", collector.url)
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "a key")
    collector.answers = [500]
    with pytest.raises(CollectorDownError):
        tick()
    assert tick() == "2 events delivered"
    assert collector.names == [(run_id, "START"), (run_id, "COMPLETE")]
    assert set(collector.authorized) == {"Bearer a key"}
    assert tick() == "0 events delivered"


@pytest.mark.parametrize(
    "place",
    [
        "",
        "nowhere",
        "ftp://x/y",
        "file:",
        "http://",
        "http://user:secret@host/",
        "file://host/x",
        "http://host:port/",
        "http://[",
    ],
)
def test_places_that_are_none_are_refused_without_repeating_a_secret(home, place):
    with pytest.raises(BadInputError) as refused:
        outbox(home, place)
    assert "secret" not in str(refused.value)
    assert "secret" not in shown("https://user:secret@host:1/p?key=secret")


def test_the_command_says_how_it_ended(evaluated, collector, monkeypatch):
    monkeypatch.delenv("TORGHUT_LINEAGE", raising=False)
    assert torghut("lineage", "emit").returncode == 2
    collector.answers = [500]
    done = torghut("lineage", "emit", TORGHUT_LINEAGE=collector.url)
    assert (done.returncode, "events wait" in done.stderr) == (1, True)
    collector.answers = [400]
    done = torghut("lineage", "emit", "--to", collector.url)
    assert (done.returncode, "refused" in done.stdout) == (1, True)
    assert torghut("lineage", "emit", "--to", collector.url).returncode == 0


def test_without_the_extra_one_line_names_it(evaluated, monkeypatch):
    for name in ("openlineage.client.transport.file", "openlineage.client"):
        monkeypatch.setitem(sys.modules, name, None)
    done = torghut("lineage", "emit", "--to", "file:/tmp/never-written")
    assert (done.returncode, "extra `lineage`" in done.stderr) == (4, True)
