"""The structured log: one object per line, only declared fields, and never in the way."""

import json
import threading

import pytest
from command_line import torghut
from evaluated_examples import PASSING, example

from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.resources.event_log import EVENTS, log_event
from torghut_assets.resources.kill_switch import KillSwitch


@pytest.fixture
def log(tmp_path, monkeypatch):
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv("TORGHUT_EVENT_LOG", str(path))
    return path


def lines(log):
    return [json.loads(line) for line in log.read_text("utf-8").splitlines()]


def test_nothing_is_written_unless_asked(tmp_path, capsys):
    log_event("refused", error="UsageError", exit_status=2)
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr() == ("", "")


def test_a_run_tells_its_run_candidate_and_digests(home, log):
    submit(home, example(PASSING), f"{PASSING}.yaml")
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.step("settings", None)
        driver.step("candidate", PASSING, through="candidate_spec")
        driver.settle(PASSING, None, through="candidate_spec")
    found = lines(log)
    stored = [line for line in found if line["event"] == "record_stored"]
    spec = next(line for line in stored if line["asset"] == "candidate_spec")
    assert spec["candidate"] == spec["partition"] == PASSING
    assert len(spec["run_id"]) == 36
    assert spec["digest"] in home.store
    appended = [line["sequence"] for line in found if line["event"] == "statement_appended"]
    assert appended == sorted(appended)
    assert spec["sequence"] in appended
    decided = [line for line in found if line["event"] == "stage_decided"]
    assert {(d["candidate"], d["stage"]) for d in decided} >= {(PASSING, "research_intake")}
    assert {line["event"] for line in found} <= set(EVENTS)
    assert all(set(line) >= {"time", "event"} for line in found)


def test_stopping_is_logged_without_the_words_of_the_reason(home, log):
    KillSwitch(home).write(PASSING, "a secret reason")
    (line,) = lines(log)
    assert (line["event"], line["candidate"], line["cause"]) == ("kill_engaged", PASSING, "kill")
    assert "secret" not in log.read_text()


def test_stopping_works_when_the_log_cannot_be_written(home, monkeypatch, tmp_path):
    for place in (tmp_path, tmp_path / "no" / "folder", "/dev/full"):
        monkeypatch.setenv("TORGHUT_EVENT_LOG", str(place))
        KillSwitch(home).write(None, "stop all the same")
    assert KillSwitch(home).reading(None).state == "engaged"


def test_a_refused_command_is_logged_by_its_kind_only(log, monkeypatch):
    monkeypatch.setenv("TORGHUT_LEDGER_URL", "postgresql://desk:not-to-be-seen@127.0.0.1:9/x")
    assert torghut("candidate", "show", "no-such-candidate").returncode == 3
    assert torghut("ledger", "verify").returncode == 3
    assert [line["event"] for line in lines(log)] == ["refused", "refused"]
    assert "not-to-be-seen" not in log.read_text()


def test_an_undeclared_event_or_field_is_a_defect(log):
    with pytest.raises(KeyError, match="surprise"):
        log_event("surprise")
    with pytest.raises(KeyError, match="password"):
        log_event("refused", password="x")
    assert not log.exists()


def test_lines_of_many_writers_do_not_mix(log):
    def write(number):
        for _ in range(50):
            log_event("refused", error="x" * 190, exit_status=number)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(lines(log)) == 200


def test_a_line_ends_where_it_must_whatever_a_field_holds(log):
    log_event("refused", error="a\nb\u2028" * 200, exit_status=4)
    (line,) = lines(log)
    assert len(line["error"]) == 200
