import datetime as dt
import fcntl
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from click.testing import CliRunner

from torghut_assets.cli.trials import trials as trials_command
from torghut_assets.domain.backtest.families import ReturnSeries
from torghut_assets.domain.backtest.holdout import (
    HoldoutSpentError,
    HoldoutTooEarlyError,
    HoldoutWindow,
)
from torghut_assets.domain.backtest.records import EvaluationInputs
from torghut_assets.domain.backtest.register_checks import TrialRegisterBrokenError
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import RegisterRelocation, Trial, TrialOutcome
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import BadInputError, EvidenceMissingError
from torghut_assets.resources import register_file
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.register_file import (
    RegisterBusyError,
    RegisterFile,
    RegisterUnreadableError,
)
from torghut_assets.resources.trial_claims import hand_out_count, verify_claims
from torghut_assets.resources.trial_register import (
    StoredReturns,
    TicketNotOpenError,
    TrialRegister,
)

POLICY = TrialPolicy(
    policy_version="1",
    join_correlation=0.95,
    recorded_correlation=0.8,
    min_overlap_bars=20,
    holdout_months=12,
    holdout_looks_per_family=1,
    grant_disjoint_windows=False,
    source="tests",
)
WINDOW = HoldoutWindow(
    first_bar=9, end_bar=19, first_session=dt.date(2021, 1, 1), last_session=dt.date(2021, 12, 31)
)


def digest(text):
    return sha256_hex(text.encode())


def trial(candidate="momentum-a", grid=10, **changes):
    names = ("build", "manifest", "cost_model", "risk_limits", "settings")
    inputs = EvaluationInputs(
        candidate_id=candidate,
        snapshot_id="us-megacaps@2021-12-31",
        spec_digest=digest(candidate),
        trial_policy_digest=POLICY.digest,
        **{f"{name}_digest": digest(name) for name in names},
    )
    fields = {
        "family": f"type-of-{candidate}",
        "parent": None,
        "code_digest": digest(f"code of {candidate}"),
        "declared_outside_trials": 0,
    }
    return Trial(purpose="backtest_metrics", grid_points=grid, inputs=inputs, **(fields | changes))


def register_in(home, **changes):
    return TrialRegister(
        home / "ledger" / "trials.sqlite", home / "anchors" / "trials.json", POLICY, **changes
    )


def run(register, *args, **changes):
    with register.under_ticket(trial(*args, **changes)) as ticket:
        register.finish(ticket, digest("result"))
    return ticket


def codes(register):
    return [finding.code for finding in register.verify()]


@pytest.fixture
def register(tmp_path):
    return register_in(tmp_path)


def test_a_ticket_is_written_before_anything_else_happens(register):
    with register.under_ticket(trial()) as ticket:
        assert register.entries() == (ticket,)
        assert ticket.sequence == 1
        assert codes(register) == ["no_outcome"]
    assert codes(register) == []


def test_an_empty_register_is_whole_and_counts_nothing(register):
    assert register.entries() == ()
    assert register.verify() == ()


def test_a_block_that_is_left_without_a_result_is_abandoned(register):
    with pytest.raises(KeyError), register.under_ticket(trial(grid=40)):
        raise KeyError("the plugin failed")
    outcome = register.entries()[-1]
    assert isinstance(outcome, TrialOutcome)
    assert (outcome.status, outcome.result_digest) == ("abandoned", None)
    assert register.count("momentum-a").raw == 40


def test_a_ticket_ends_once(register):
    ticket = run(register)
    with pytest.raises(TicketNotOpenError, match="finished in entry 2"):
        register.finish(ticket, digest("another result"))
    with pytest.raises(TicketNotOpenError):
        register.abandon(ticket)
    with pytest.raises(TicketNotOpenError):
        register.require_open(ticket)


def test_a_made_up_ticket_is_not_open(register, tmp_path):
    ticket = register.open_ticket(trial())
    other = register_in(tmp_path / "other").open_ticket(trial("momentum-b"))
    cheaper = ticket.model_copy(update={"trial": trial(grid=1)})
    for wrong in (other, cheaper, ticket.model_copy(update={"sequence": 5})):
        with pytest.raises(TicketNotOpenError, match="did not issue it"):
            register.require_open(wrong)
    register.require_open(ticket)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET digest = 'x' WHERE sequence = 1",
        "UPDATE entries SET sequence = 9 WHERE sequence = 2",
        "DELETE FROM entries WHERE sequence = 2",
        "DELETE FROM entries",
        "INSERT OR REPLACE INTO entries VALUES (1, 'x', x'00')",
        "INSERT INTO entries VALUES (4, 'x', x'00')",
        "INSERT INTO entries VALUES (-1, 'x', x'00')",
    ],
)
def test_the_database_itself_refuses_to_change_history(register, tmp_path, statement):
    run(register)
    with (
        sqlite3.connect(tmp_path / "ledger" / "trials.sqlite") as database,
        pytest.raises(sqlite3.IntegrityError),
    ):
        database.execute(statement)
    assert codes(register) == []


def test_removed_guards_are_found(register, tmp_path):
    run(register)
    with sqlite3.connect(tmp_path / "ledger" / "trials.sqlite") as database:
        database.execute("DROP TRIGGER entries_keep")
    assert codes(register) == ["guards_missing"]


def test_a_file_that_is_no_database_is_refused_by_name(register, tmp_path):
    run(register)
    (tmp_path / "ledger" / "trials.sqlite").write_bytes(b"not a database at all" * 100)
    for call in (register.entries, register.verify, lambda: register.open_ticket(trial())):
        with pytest.raises(RegisterUnreadableError, match=r"trials\.sqlite") as caught:
            call()
        assert caught.value.exit_code == 3


def test_a_ticket_that_could_not_be_written_leaves_no_trace(register, tmp_path):
    run(register)
    with sqlite3.connect(tmp_path / "ledger" / "trials.sqlite") as database:
        database.execute(
            "CREATE TRIGGER full BEFORE INSERT ON entries "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    with pytest.raises(RegisterUnreadableError, match="Nothing was written"):
        register.open_ticket(trial())
    with sqlite3.connect(tmp_path / "ledger" / "trials.sqlite") as database:
        database.execute("DROP TRIGGER full")
    assert run(register).sequence == 3
    assert codes(register) == []


@pytest.mark.parametrize("held", ["lock file", "database"])
def test_a_register_that_others_keep_locked_is_named(register, tmp_path, monkeypatch, held):
    run(register)
    monkeypatch.setattr(register_file, "_WAIT_SECONDS", 0.05)
    with (
        (tmp_path / "anchors" / "trials.json.lock").open("ab") as lock,
        closing(sqlite3.connect(tmp_path / "ledger" / "trials.sqlite")) as database,
    ):
        if held == "lock file":
            fcntl.flock(lock, fcntl.LOCK_EX)
        else:
            database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RegisterBusyError, match="another process"):
            register.open_ticket(trial())
    assert run(register).sequence == 3


def test_nothing_is_appended_to_a_register_that_lost_its_tail(register, tmp_path):
    path = tmp_path / "ledger" / "trials.sqlite"
    run(register)
    earlier = path.read_bytes()
    run(register, grid=1_000)
    path.write_bytes(earlier)
    for call in (
        lambda: register.open_ticket(trial()),
        register.entries,
        lambda: register.count("momentum-a"),
    ):
        with pytest.raises(TrialRegisterBrokenError, match="truncated"):
            call()
    assert codes(register) == ["truncated"]


@pytest.mark.parametrize("fresh", ["no file", "no anchor", "another anchor"])
def test_neither_file_works_without_the_other(tmp_path, fresh):
    run(register_in(tmp_path))
    changed = {
        "path": tmp_path / "ledger/trials.sqlite",
        "anchor": tmp_path / "anchors/trials.json",
    }
    if fresh == "no file":
        changed["path"].unlink()
    if fresh == "no anchor":
        changed["anchor"].unlink()
    if fresh == "another anchor":
        changed["anchor"] = tmp_path / "elsewhere.json"
    register = TrialRegister(changed["path"], changed["anchor"], POLICY)
    with pytest.raises(TrialRegisterBrokenError, match=r"truncated|anchor_missing"):
        register.open_ticket(trial())
    assert codes(register)[0] in ("truncated", "anchor_missing")


def test_a_crash_between_commit_and_anchor_is_repaired_by_the_next_entry(register, tmp_path):
    anchor = tmp_path / "anchors" / "trials.json"
    run(register)
    before = anchor.read_bytes()
    run(register, grid=11)
    anchor.write_bytes(before)
    assert codes(register) == ["behind_register"]
    run(register, grid=12)
    assert codes(register) == []
    assert register.count("momentum-a").raw == 33


def test_an_anchor_that_is_no_anchor_is_refused(register, tmp_path):
    run(register)
    (tmp_path / "anchors" / "trials.json").write_text("{}")
    with pytest.raises(Exception, match="trial-anchor") as caught:
        register.verify()
    assert caught.value.exit_code == 3


def test_the_clock_is_asked_once_per_entry_and_orders_nothing(tmp_path):
    times = iter([dt.datetime(2026, 5, day, tzinfo=dt.UTC) for day in (20, 21, 3, 22)])
    register = register_in(tmp_path, clock=lambda: next(times))
    run(register)
    run(register, grid=11)
    assert [entry.recorded_at.day for entry in register.entries()] == [20, 21, 3, 22]
    assert codes(register) == ["clock_went_back"]
    assert register.count("momentum-a").raw == 21


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {folder!r})
from test_trial_register import register_in, trial
register_in(Path({home!r})).open_ticket(trial("crashed", grid=77))
print("opened", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_a_ticket_that_counts_and_is_marked_later(register, tmp_path):
    script = KILLED.format(folder=os.path.dirname(__file__), home=str(tmp_path))
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (-signal.SIGKILL, "opened\n"), done.stderr
    assert codes(register) == ["no_outcome"]
    assert (register.count("crashed").raw, register.count("crashed").abandoned) == (77, 1)
    run(register, "momentum-a")
    kinds = [(type(e).__name__, getattr(e, "status", "")) for e in register.entries()]
    assert kinds[:2] == [("TrialTicket", ""), ("TrialOutcome", "abandoned")]
    assert codes(register) == []


def test_a_running_ticket_is_not_taken_for_dead(register, tmp_path):
    ticket = register.open_ticket(trial())
    run(register_in(tmp_path), "momentum-b")
    register.finish(ticket, digest("result"))
    assert codes(register) == []


def test_a_ticket_that_ended_while_its_lock_stayed_is_not_ended_twice(register, tmp_path):
    ticket = run(register)
    (tmp_path / "ledger" / "trials.sqlite.open" / str(ticket.sequence)).touch()
    (tmp_path / "ledger" / "trials.sqlite.open" / "99").touch()
    run(register, grid=11)
    assert codes(register) == []


def worker(home, name, start, n):
    register = register_in(home)
    start.wait()
    for i in range(n):
        with register.under_ticket(trial(name, grid=i + 1)) as ticket:
            if i % 3:
                register.finish(ticket, digest(f"{name}{i}"))


def test_parallel_processes_lose_no_ticket_and_leave_no_gap(tmp_path):
    processes, n = 6, 12
    spawn = multiprocessing.get_context("fork")
    start = spawn.Barrier(processes)
    running = [
        spawn.Process(target=worker, args=(tmp_path, f"name-{k}", start, n))
        for k in range(processes)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0] * processes
    register = register_in(tmp_path)
    assert codes(register) == []
    entries = register.entries()
    assert [entry.sequence for entry in entries] == list(range(1, 2 * processes * n + 1))
    for k in range(processes):
        assert register.count(f"name-{k}").raw == n * (n + 1) / 2


class Frames:
    """Return series by digest, as a store of frames would hold them."""

    def __init__(self, **seeds):
        rng = np.random.default_rng
        self.of = {digest(k): rng(s).normal(0, 0.01, 250) for k, s in seeds.items()}

    def load(self, wanted):
        if wanted not in self.of:
            raise EvidenceMissingError(location="frame", digest=wanted)
        values = self.of[wanted]
        times = np.arange(len(values)).astype("datetime64[D]")
        return ReturnSeries(times=times, returns=values)


def run_with_returns(register, frames, candidate, frame, **changes):
    ticket = register.open_ticket(trial(candidate, **changes))
    stored = StoredReturns(digest(frame), frames.load)
    return ticket, register.finish(ticket, digest("result of " + candidate), stored)


def test_a_renamed_copy_is_found_by_its_returns(register):
    frames = Frames(original=1, copy=1, other=2)
    frames.of[digest("copy")] = frames.of[digest("copy")] * 2 + 1e-4
    ticket, _ = run_with_returns(register, frames, "original", "original", grid=500)
    run_with_returns(register, frames, "unrelated", "other", grid=7)
    _, outcome = run_with_returns(register, frames, "copy-cat", "copy", grid=1)
    assert [c.ticket_sequence for c in outcome.correlated] == [ticket.sequence]
    assert outcome.correlated[0].correlation == pytest.approx(1, abs=1e-9)
    assert register.count("copy-cat").raw == 501
    assert register.count("unrelated").raw == 7


def test_two_that_finish_at_once_are_compared_with_each_other(register):
    frames = Frames(one=1, two=1)
    ticket = register.open_ticket(trial("two-late"))
    ran = []

    def load(wanted):
        if not ran:  # the other one finishes while this one computes without the lock
            ran.append(run_with_returns(register, frames, "one-first", "one"))
        return frames.load(wanted)

    outcome = register.finish(ticket, digest("result"), StoredReturns(digest("two"), load))
    assert [c.ticket_sequence for c in outcome.correlated] == [ran[0][0].sequence]


def test_a_result_whose_rivals_are_lost_is_not_finished(register):
    run_with_returns(register, Frames(one=1), "one-first", "one")
    with pytest.raises(EvidenceMissingError):
        run_with_returns(register, Frames(two=2), "two-late", "two")


def test_a_look_at_the_holdout_burns_a_receipt_of_the_family(register):
    frames = Frames(own=1, copy=1)
    early = register.open_ticket(trial())
    with pytest.raises(HoldoutTooEarlyError):
        register.burn_holdout(early, WINDOW)
    register.finish(early, digest("result"), StoredReturns(digest("own"), frames.load))
    with register.under_ticket(trial()) as ticket:
        receipt = register.burn_holdout(ticket, WINDOW)
        assert register.burn_holdout(ticket, WINDOW) == receipt
    assert (receipt.look, receipt.candidate_id) == (1, "momentum-a")
    assert register.count("momentum-a").holdout_looks == 1
    run_with_returns(register, frames, "copy-cat", "copy")
    with register.under_ticket(trial("copy-cat")) as ticket, pytest.raises(HoldoutSpentError):
        register.burn_holdout(ticket, WINDOW)
    assert register.count("copy-cat").holdout_looks == 1
    assert codes(register) == []


def look(home, start, allowed):
    register = register_in(home)
    with register.under_ticket(trial("momentum-b", parent="momentum-a")) as ticket:
        register.finish(
            register.open_ticket(ticket.trial),
            "0" * 64,
            StoredReturns(digest("own"), Frames(own=1).load),
        )
        start.wait()
        try:
            register.burn_holdout(ticket, WINDOW)
        except HoldoutSpentError:
            allowed.put(False)
        else:
            allowed.put(True)


def test_parallel_looks_of_one_family_burn_one_receipt(tmp_path):
    register = register_in(tmp_path)
    frames = Frames(own=1)
    run_with_returns(register, frames, "momentum-a", "own")
    fork = multiprocessing.get_context("fork")
    start, allowed = fork.Barrier(3), fork.Queue()
    running = [fork.Process(target=look, args=(tmp_path, start, allowed)) for _ in range(2)]
    for process in running:
        process.start()
    with register.under_ticket(trial("momentum-a")) as ticket:
        start.wait()
        try:
            register.burn_holdout(ticket, WINDOW)
            mine = True
        except HoldoutSpentError:
            mine = False
    answers = [allowed.get(timeout=30) for _ in running]
    for process in running:
        process.join(30)
    # The two children look at the same evaluation: that is one look, and one receipt.
    assert answers in ([True, True], [False, False])
    assert mine is not answers[0]
    assert register.count("momentum-a").holdout_looks == 1


def test_a_copied_register_says_so_until_somebody_answers_for_it(register, tmp_path):
    run(register)
    moved = tmp_path / "moved"
    (moved / "ledger").mkdir(parents=True)
    (moved / "anchors").mkdir()
    for name in ("ledger/trials.sqlite", "anchors/trials.json"):
        (moved / name).write_bytes((tmp_path / name).read_bytes())
    copy = register_in(moved)
    assert [(f.code, f.severity) for f in copy.verify()] == [("relocated", "suspect")]
    run(copy, grid=11)
    assert isinstance(copy.entries()[2], RegisterRelocation)
    assert codes(copy) == ["relocated"]
    with pytest.raises(BadInputError, match="relocation"):
        copy.acknowledge(1, by="A. Operator", reason="moved to another disk")
    copy.acknowledge(3, by="A. Operator", reason="moved to another disk")
    assert codes(copy) == []
    assert codes(register) == []


def test_a_count_that_was_handed_out_contradicts_a_rewritten_history(register, tmp_path):
    store = FileStore(tmp_path / "store")
    run(register, grid=1_000)
    run(register, grid=5)
    assert hand_out_count(register, store, "momentum-a").raw == 1_005
    assert verify_claims(register, store) == ()
    for name in ("ledger/trials.sqlite", "anchors/trials.json"):
        (tmp_path / name).unlink()
    run(register, grid=5)
    run(register, grid=6)
    assert codes(register) == []
    assert [f.code for f in verify_claims(register, store)] == ["claim_differs"]


def test_append_only_is_written_down_in_the_file_itself(tmp_path):
    register = register_in(tmp_path)
    run(register)
    file = RegisterFile(tmp_path / "ledger/trials.sqlite", tmp_path / "anchors/trials.json")
    assert file.guards_intact()
    rows = file.rows_after(0)
    assert [json.loads(row.payload)["kind"] for row in rows] == ["trial-ticket", "trial-outcome"]
    assert rows[0].digest == sha256_hex(rows[0].payload)


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.setenv("TORGHUT_HOME", str(tmp_path))
    monkeypatch.delenv("TORGHUT_TRIAL_ANCHOR", raising=False)
    return lambda *args: CliRunner().invoke(trials_command, list(args))


def test_the_command_lists_every_ticket_and_what_is_no_new_trial(register, command):
    run(register)
    run(register)
    run(register, "reversal-a")
    register.abandon(register.open_ticket(trial("reversal-a", grid=9)))
    lines = command("list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "3", "5", "7"]
    assert [line.endswith("again") for line in lines] == [False, True, False, False]
    assert lines[3].endswith("9 points  abandoned")
    assert len(command("list", "--family", "type-of-reversal-a").stdout.splitlines()) == 2


def test_the_command_counts_and_explains(register, command):
    run(register, grid=10, declared_outside_trials=4)
    run(register, "child-one", grid=3, parent="momentum-a")
    shown = command("count", "child-one").stdout
    assert "child-one: N = 17" in shown
    assert "10 of its ancestors" in shown
    assert "momentum-a (parent)" in shown
    assert command("count", "never-run").exception.exit_code == 3
    assert command("count", "../../etc").exception.exit_code == 4


def test_the_command_verifies_and_its_exit_status_says_so(register, command, tmp_path):
    run(register)
    assert command("verify").exit_code == 0
    register.open_ticket(trial("still-running"))
    assert command("verify").exit_code == 0
    assert command("verify", "--strict").exception.exit_code == 3
    (tmp_path / "anchors" / "trials.json").unlink()
    refused = command("verify")
    assert refused.exception.exit_code == 3
    assert "broken: entry 3: anchor_missing" in refused.stdout


def test_the_command_acknowledges_a_relocation(register, command, tmp_path):
    run(register)
    path = tmp_path / "ledger" / "trials.sqlite"
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    run(register, grid=11)
    assert command("verify").exception.exit_code == 3
    done = command("acknowledge", "3", "--by", "A. Operator", "--reason", "a larger disk")
    assert done.exit_code == 0, done.output
    assert command("verify").exit_code == 0
