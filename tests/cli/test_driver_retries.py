"""What passes by itself is tried again, as often as the pipeline says; nothing else is."""

import sqlite3
import subprocess
import sys
from contextlib import closing, contextmanager
from types import SimpleNamespace

import dagster as dg
import pytest
from dagster._core.storage.event_log.sqlite import sqlite_event_log
from evaluated_examples import KEY, PASSING, example

from torghut_assets.assets.keys import BACKTEST_METRICS
from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.errors import EvidenceError, StageRefusedError
from torghut_assets.resources import register_file
from torghut_assets.resources.lineage import newest
from torghut_assets.resources.register_file import RegisterBusyError

WEIGHTS = dg.AssetKey("target_weights")

_FLOCK = """
import fcntl, sys, time
with open(sys.argv[1], "ab") as handle:
    fcntl.flock(handle, fcntl.LOCK_EX)
    print("locked", flush=True)
    sys.stdin.readline()
"""
_EXCLUSIVE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


class Holder:
    """Another process that holds a lock until it is told to let go."""

    def __init__(self, program, path):
        self._process = subprocess.Popen(
            [sys.executable, "-c", program, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout.readline() == "locked\n"

    def let_go(self):
        if self._process.poll() is None:
            self._process.communicate("\n", timeout=30)


@contextmanager
def held(program, path):
    holder = Holder(program, path)
    try:
        yield holder
    finally:
        holder.let_go()


@pytest.fixture
def driver(evaluated, monkeypatch):
    """A driver whose attempts and waits are noted, and that is impatient with locks."""
    monkeypatch.setattr(register_file, "_WAIT_SECONDS", 0.2)
    monkeypatch.setattr(sqlite_event_log, "SQLITE_BUSY_TIMEOUT_SECONDS", 0.2)
    with instance_of(evaluated) as instance:
        driver = Driver(evaluated, instance)
        driver.attempts, driver.waits, driver.before_waiting = [], [], lambda: None
        attempt = driver._attempt

        def noted(*arguments):
            driver.attempts.append(arguments[1])
            return attempt(*arguments)

        def waited(seconds):
            driver.waits.append(seconds)
            driver.before_waiting()

        driver._attempt = noted
        monkeypatch.setattr("torghut_assets.cli.driver.time", SimpleNamespace(sleep=waited))
        yield driver


def make(driver, *keys):
    driver._execute("evaluation", list(keys), KEY, lambda _: None, lambda _: None)


def policy_of(driver):
    return driver._desk.pipeline.stage_of_asset("target_weights").failure_policy


def locks(home):
    """What another process can lock while an evaluation wants it."""
    return {
        "the lock of the trial register": (
            _FLOCK,
            home.trial_anchor_path.with_name(home.trial_anchor_path.name + ".lock"),
        ),
        "the trial register": (_EXCLUSIVE, home.trial_register_path),
        "the index of Dagster": (_EXCLUSIVE, home.dagster_home / "history" / "runs" / "index.db"),
    }


@pytest.mark.parametrize(
    "which", ["the lock of the trial register", "the trial register", "the index of Dagster"]
)
def test_a_step_that_met_a_lock_is_tried_again_and_succeeds(driver, evaluated, which):
    before = newest(driver._instance, WEIGHTS, KEY)
    with held(*locks(evaluated)[which]) as holder:
        driver.before_waiting = holder.let_go
        make(driver, WEIGHTS)
    assert len(driver.attempts) == 2
    assert driver.waits == [policy_of(driver).backoff_seconds]
    after = newest(driver._instance, WEIGHTS, KEY)
    assert (after.digest, after.run_id == before.run_id) == (before.digest, False)
    last, first = driver._instance.get_runs(limit=2)
    assert last.status is dg.DagsterRunStatus.SUCCESS
    assert first.status is not dg.DagsterRunStatus.SUCCESS


def test_a_lock_that_stays_is_given_up_after_the_retries_of_the_stage(driver, evaluated):
    policy = policy_of(driver)
    with (
        held(*locks(evaluated)["the lock of the trial register"]),
        pytest.raises(RegisterBusyError, match="locked by another process"),
    ):
        make(driver, WEIGHTS)
    assert len(driver.attempts) == policy.transient_retries + 1 > 2
    assert driver.waits == [
        policy.backoff_seconds * 2**attempt for attempt in range(policy.transient_retries)
    ]


def test_missing_evidence_is_not_tried_again(driver, evaluated):
    digest = newest(driver._instance, BACKTEST_METRICS, KEY).digest
    evaluated.store.path_of(digest).unlink()
    with pytest.raises(EvidenceError, match=digest):
        make(driver, dg.AssetKey("gate_report"))
    assert (len(driver.attempts), driver.waits) == (1, [])


def test_a_refused_precondition_is_not_tried_again(driver, evaluated):
    """A child that cites nothing is not admitted."""
    text = example(PASSING).decode().replace(f"candidate_id: {PASSING}", "candidate_id: a-child", 1)
    cites = f"parent: {PASSING}\nprior_run_evidence:\n  - digest: {'0' * 64!r}\n"
    cites += "    note: no reason given\n"
    child = text.replace("prior_run_evidence: []\n", cites, 1)
    submit(evaluated, child.encode(), "a-child.yaml")
    with pytest.raises(StageRefusedError, match="requires parent_feedback_is_cited"):
        driver._execute(
            "candidate", [dg.AssetKey("candidate_spec")], "a-child", lambda _: None, lambda _: None
        )
    assert (len(driver.attempts), driver.waits) == (1, [])


def test_a_ruined_database_is_not_tried_again(driver, evaluated):
    """SQLite raises the same class for a lock and for a table that is gone."""
    with closing(sqlite3.connect(evaluated.dagster_home / "history/runs/index.db")) as index:
        index.execute("DROP TABLE event_logs")
        index.commit()
    with pytest.raises(Exception, match=r"sqlite3.OperationalError\) no such table: event_logs"):
        make(driver, WEIGHTS)
    assert (len(driver.attempts), driver.waits) == (1, [])
