"""Ten ways to hide a trial. Each is impossible through the product, or `verify` finds it.

The story is always the same: a researcher tries 1,000 points, likes one of them, and wants
the evidence to say that it was the only one. `docs/trials.md` says what stays out of reach.
"""

import datetime as dt
import multiprocessing
import os
import shutil
import signal
import sqlite3
from contextlib import closing, suppress

import numpy as np
import pytest
from click.testing import CliRunner

from torghut_assets.cli.trials import register_of
from torghut_assets.cli.trials import trials as trials_command
from torghut_assets.domain.backtest.families import ReturnSeries
from torghut_assets.domain.backtest.overfit_records import (
    FoldStability,
    NeighbourhoodSensitivity,
    OverfitDiagnostics,
    SharpeInterval,
)
from torghut_assets.domain.backtest.records import EvaluationInputs
from torghut_assets.domain.backtest.register_checks import TrialRegisterBrokenError
from torghut_assets.domain.backtest.trials import (
    GENESIS_DIGEST,
    RegisterRow,
    Trial,
    TrialAnchor,
    TrialTicket,
    read_entry,
)
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.snapshots.records import (
    BarFile,
    SnapshotManifest,
    SourceDescription,
    SymbolCoverage,
)
from torghut_assets.resources.bar_vault import BarVault
from torghut_assets.resources.home import Home
from torghut_assets.resources.trial_claims import hand_out_count
from torghut_assets.resources.trial_register import (
    StoredReturns,
    TicketNotOpenError,
    TrialRegister,
)

SWEEP = 1_000


def digest(text):
    return sha256_hex(text.encode())


MANIFEST = SnapshotManifest(
    snapshot_id="us-megacaps@2021-12-31",
    universe="us-megacaps",
    as_of=dt.date(2021, 12, 31),
    frequency="1d",
    calendar="XNYS",
    first_session=dt.date(2015, 1, 2),
    last_session=dt.date(2021, 12, 31),
    rows=1,
    symbols=(
        SymbolCoverage(
            symbol="AAPL",
            rows=1,
            first_session=dt.date(2015, 1, 2),
            last_session=dt.date(2021, 12, 31),
            missing_sessions=0,
        ),
    ),
    files=(BarFile(digest=digest("bars"), rows=1, size_bytes=1),),
    source=SourceDescription(
        source_kind="folder", name="none", licence="none", digest=digest("source"), caveats=()
    ),
    checks=("schema",),
    findings=(),
)


def inputs_of(register, candidate):
    names = ("build", "cost_model", "risk_limits", "settings")
    return EvaluationInputs(
        candidate_id=candidate,
        snapshot_id=MANIFEST.snapshot_id,
        spec_digest=digest(candidate),
        manifest_digest=MANIFEST.digest,
        trial_policy_digest=register.policy.digest,
        **{f"{name}_digest": digest(name) for name in names},
    )


def trial_of(register, candidate, grid, **changes):
    fields = {
        "family": "momentum",
        "parent": None,
        "code_digest": digest("code of momentum"),
        "declared_outside_trials": 0,
    }
    return Trial(
        purpose="backtest_metrics",
        grid_points=grid,
        inputs=inputs_of(register, candidate),
        **(fields | changes),
    )


def returns_like(seed, noise=0.0):
    """A loader for which every digest is the same edge, plus a little of its own."""

    def load(of):
        own = np.random.default_rng(int(of[:8], 16)).normal(0, 0.01, 300)
        edge = np.random.default_rng(seed).normal(0, 0.01, 300)
        times = np.arange(300).astype("datetime64[D]")
        return ReturnSeries(times=times, returns=edge + noise * own)

    return load


def evaluate(register, candidate, grid, *, load=None, **changes):
    """What the product does, without the simulation: ticket, result, returns."""
    with register.under_ticket(trial_of(register, candidate, grid, **changes)) as ticket:
        stored = StoredReturns(digest(f"returns of {candidate}"), load or returns_like(1, 0.1))
        register.finish(ticket, digest(f"result of {candidate} {grid}"), stored)
    return ticket


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TORGHUT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("TORGHUT_TRIAL_ANCHOR", raising=False)
    return Home.from_environment()


@pytest.fixture
def register(home):
    """A register in which the sweep was made, and the chosen point was run on its own."""
    register = register_of(home)
    evaluate(register, "momentum-sweep", SWEEP)
    evaluate(register, "momentum-best", 1)
    assert register.count("momentum-best").raw == SWEEP + 1
    assert verify() == (0, "")
    return register


def verify(*options):
    """Exit status of `torghut trials verify`, and what it found."""
    done = CliRunner().invoke(trials_command, ["verify", *options])
    if done.exception is None:
        return 0, done.stdout.partition("trial register:")[0]
    return getattr(done.exception, "exit_code", "no refusal"), done.stdout


def edit(home, *statements):
    """What somebody with the file and a database tool can do: drop the guards, then write."""
    with closing(sqlite3.connect(home.trial_register_path)) as database:
        guards = database.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        triggers = guards.fetchall()
        for name, _ in triggers:
            database.execute(f"DROP TRIGGER {name}")
        for statement, *values in statements:
            database.execute(statement, *values)
        for _, sql in triggers:
            database.execute(sql)
        database.commit()


# 1. delete rows


def test_1_rows_cannot_be_deleted(home, register):
    with (
        closing(sqlite3.connect(home.trial_register_path)) as database,
        pytest.raises(sqlite3.IntegrityError, match="append-only"),
    ):
        database.execute("DELETE FROM entries WHERE sequence <= 2")


@pytest.mark.parametrize("where", ["sequence <= 2", "sequence = 1", "sequence >= 3", "1"])
def test_1_rows_deleted_without_the_guards_are_missed(home, register, where):
    counted = register.count("momentum-best")
    edit(home, (f"DELETE FROM entries WHERE {where}",))
    status, found = verify()
    assert status == 3
    assert "broken" in found
    with pytest.raises(TrialRegisterBrokenError):
        register_of(home).count("momentum-best")
    with suppress(TrialRegisterBrokenError):  # who has read them before still counts them all
        assert register.count("momentum-best") == counted


# 2. renumber


def rebuilt_without(home, dropped):
    """The best forgery there is: the whole chain made anew, every digest right."""
    with closing(sqlite3.connect(home.trial_register_path)) as database:
        rows = database.execute("SELECT * FROM entries ORDER BY sequence").fetchall()
    entries = [read_entry(RegisterRow(*row)) for row in rows if row[0] not in dropped]
    renumbered, head, tickets = [], GENESIS_DIGEST, {}
    for sequence, entry in enumerate(entries, start=1):
        changes = {"sequence": sequence, "previous_digest": head}
        if not isinstance(entry, TrialTicket):
            old = entry.ticket_sequence
            changes |= {"ticket_sequence": tickets[old][0], "ticket_digest": tickets[old][1]}
        new = entry.model_copy(update=changes)
        if isinstance(entry, TrialTicket):
            tickets[entry.sequence] = (sequence, new.digest)
        head = new.digest
        renumbered.append((sequence, new.digest, new.canonical_bytes()))
    return renumbered


def test_2_renumbered_rows_are_found(home, register):
    edit(
        home,
        ("DELETE FROM entries WHERE sequence <= 2",),
        ("UPDATE entries SET sequence = sequence - 2",),
    )
    status, found = verify()
    assert (status, "misplaced" in found) == (3, True)


def test_2_a_chain_made_anew_is_not_the_anchored_one(home, register):
    forged = rebuilt_without(home, {1, 2})
    edit(
        home,
        ("DELETE FROM entries",),
        *[("INSERT INTO entries VALUES (?, ?, ?)", r) for r in forged],
    )
    status, found = verify()
    assert (status, "truncated" in found) == (3, True)
    evaluate_again = trial_of(register, "momentum-best", 1)
    with pytest.raises(TrialRegisterBrokenError):
        register.open_ticket(evaluate_again)


def test_2_a_chain_and_an_anchor_made_anew_contradict_the_counts_that_were_handed_out(
    home, register
):
    hand_out_count(register, home.store, "momentum-best")
    forged = rebuilt_without(home, {1, 2})
    edit(
        home,
        ("DELETE FROM entries",),
        *[("INSERT INTO entries VALUES (?, ?, ?)", r) for r in forged],
    )
    anchor = TrialAnchor(
        sequence=forged[-1][0],
        head_digest=forged[-1][1],
        file_id=home.trial_register_path.stat().st_ino,
    )
    home.trial_anchor_path.write_bytes(anchor.canonical_bytes())
    assert register.verify() == ()  # by itself it is perfect
    status, found = verify()
    assert (status, "claim_differs" in found) == (3, True)


# 3. new family name


def test_3_a_new_name_for_the_same_code_keeps_the_count(register):
    evaluate(register, "brand-new-idea", 1, family="genius")
    assert register.count("brand-new-idea").raw == SWEEP + 2


def test_3_a_new_name_for_edited_code_is_found_by_its_returns(register):
    evaluate(register, "brand-new-idea", 1, family="genius", code_digest=digest("edited"))
    count = register.count("brand-new-idea")
    assert count.raw == SWEEP + 2
    assert {m.reason for m in count.members} >= {"itself", "correlation"}


def test_3_really_different_code_is_not_charged(register):
    other = returns_like(2, 0.1)

    def load(of):
        return other(of) if of == digest("returns of reversal") else returns_like(1, 0.1)(of)

    evaluate(register, "reversal", 5, load=load, family="reversal", code_digest=digest("other"))
    assert register.count("reversal").raw == 5


# 4. new home folder with the same anchor


def test_4_a_new_home_with_the_same_anchor_issues_no_ticket(home, register, monkeypatch, tmp_path):
    monkeypatch.setenv("TORGHUT_TRIAL_ANCHOR", str(home.trial_anchor_path))
    monkeypatch.setenv("TORGHUT_HOME", str(tmp_path / "clean"))
    clean = register_of(Home.from_environment())
    with pytest.raises(TrialRegisterBrokenError, match="truncated"):
        clean.open_ticket(trial_of(clean, "momentum-best", 1))
    status, found = verify()
    assert (status, "truncated" in found) == (3, True)


def test_4_the_old_home_with_a_new_anchor_issues_no_ticket(home, register, monkeypatch, tmp_path):
    monkeypatch.setenv("TORGHUT_TRIAL_ANCHOR", str(tmp_path / "new-anchor.json"))
    reopened = register_of(Home.from_environment())
    with pytest.raises(TrialRegisterBrokenError, match="anchor_missing"):
        reopened.open_ticket(trial_of(reopened, "momentum-best", 1))
    assert verify()[0] == 3


# 5. abort before the end


@pytest.mark.parametrize("stop", [KeyboardInterrupt, MemoryError, SystemExit])
def test_5_an_aborted_evaluation_counts(register, stop):
    aborted = trial_of(register, "momentum-next", 500)
    with pytest.raises(stop), register.under_ticket(aborted):
        raise stop
    count = register.count("momentum-next")
    assert (count.raw, count.abandoned) == (SWEEP + 1 + 500, 1)


def open_and_die(path, anchor, policy):
    register = TrialRegister(path, anchor, policy)
    register.open_ticket(trial_of(register, "momentum-next", 500))
    os.kill(os.getpid(), signal.SIGKILL)


def test_5_a_killed_evaluation_counts(home, register):
    arguments = (home.trial_register_path, home.trial_anchor_path, register.policy)
    process = multiprocessing.get_context("fork").Process(target=open_and_die, args=arguments)
    process.start()
    process.join(30)
    assert process.exitcode == -signal.SIGKILL
    assert register.count("momentum-next").raw == SWEEP + 1 + 500
    assert "no_outcome" in verify()[1]


# 6. run the kernel directly


def test_6_there_are_no_bars_without_a_ticket(home, register):
    vault = BarVault(home.store, register)
    trial = trial_of(register, "momentum-best", 1)
    invented = TrialTicket(
        sequence=5,
        previous_digest=register.entries()[-1].digest,
        recorded_at=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        trial=trial,
    )
    spent = next(e for e in register.entries() if isinstance(e, TrialTicket))
    for ticket in (invented, spent):
        with pytest.raises(TicketNotOpenError):
            vault.open(MANIFEST, ticket)


def diagnostics(register, candidate="momentum-best", **changes):
    """Overfitting evidence as the product writes it, with the numbers of the register."""
    count = register.count(candidate)
    fields = {
        "inputs": inputs_of(register, candidate),
        "backtest_digest": digest(f"result of {candidate} 1"),
        "trials_raw": count.raw,
        "trials_declared_outside": count.declared_outside,
        "trial_register_head": count.head_digest,
        "pbo_blocks": 0,
        "observed_bars": 100,
        "sensitivity": NeighbourhoodSensitivity(
            neighbours=0, median_ratio=None, worst_ratio=None, narrow_peak_ratio=None
        ),
        "fold_stability": FoldStability(
            folds=1,
            positive_share=None,
            sharpe_annual_mean=None,
            sharpe_annual_standard_deviation=None,
            sharpe_annual_worst=None,
            largest_return_share=None,
        ),
        "sharpe_interval": SharpeInterval(
            confidence=0.95, sharpe_annual_low=None, sharpe_annual_high=None
        ),
        "seed": 0,
        "resamples": 0,
    }
    needed = {n for n, f in OverfitDiagnostics.model_fields.items() if f.is_required()}
    absent = needed - fields.keys()
    return OverfitDiagnostics(**(fields | dict.fromkeys(absent) | changes))


def test_6_a_result_that_was_made_without_a_ticket_is_found(home, register):
    made_at_home = diagnostics(register, backtest_digest=digest("the kernel, called directly"))
    home.store.put(made_at_home.canonical_bytes())
    status, found = verify()
    assert (status, "which no ticket made" in found) == (3, True)


# 7. edit N in the report


def test_7_true_evidence_passes(home, register):
    home.store.put(diagnostics(register).canonical_bytes())
    evaluate(register, "momentum-later", 50)
    assert verify() == (0, "")


def test_7_an_edited_file_no_longer_hashes_to_its_name(home, register):
    stored = home.store.put(diagnostics(register).canonical_bytes())
    path = home.store.path_of(stored)
    path.write_bytes(path.read_bytes().replace(b'"trials_raw":1001', b'"trials_raw":1'))
    assert verify()[0] == 3


def test_7_a_record_made_anew_with_another_n_contradicts_the_register(home, register):
    home.store.put(diagnostics(register, trials_raw=1).canonical_bytes())
    status, found = verify()
    assert (status, f"the register says N = {SWEEP + 1}" in found) == (3, True)


# 8. parallel runs


def run_in_parallel(path, anchor, policy, start, name):
    register = TrialRegister(path, anchor, policy)
    start.wait()
    for grid in (3, 4, 5):
        evaluate(register, name, grid, family=f"type {name}", code_digest=digest(name))


def test_8_parallel_runs_are_all_counted_and_compared_with_each_other(home, register):
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(5)
    arguments = (home.trial_register_path, home.trial_anchor_path, register.policy, start)
    names = [f"copy-{k}" for k in range(5)]
    running = [fork.Process(target=run_in_parallel, args=(*arguments, name)) for name in names]
    for process in running:
        process.start()
    for process in running:
        process.join(60)
    assert [process.exitcode for process in running] == [0] * 5
    assert verify() == (0, "")
    for name in names:  # under five names and with five codes: one edge, one count
        assert register.count(name).raw == SWEEP + 1 + 5 * (3 + 4 + 5)


# 9. clock changes


@pytest.mark.parametrize("year", [1999, 2099])
def test_9_a_changed_clock_hides_nothing_and_is_shown(home, register, year):
    then = dt.datetime(year, 1, 1, tzinfo=dt.UTC)
    moved = TrialRegister(
        home.trial_register_path, home.trial_anchor_path, register.policy, clock=lambda: then
    )
    evaluate(moved, "momentum-next", 500)
    evaluate(register, "momentum-last", 1)
    assert register.count("momentum-last").raw == SWEEP + 1 + 500 + 1
    assert [e.sequence for e in register.entries()] == list(range(1, 9))
    assert "clock_went_back" in verify()[1]
    assert verify("--strict")[0] == 3


# 10. copied store


def test_10_a_sweep_in_a_copy_stops_the_original_that_shares_its_anchor(
    home, monkeypatch, tmp_path
):
    monkeypatch.setenv("TORGHUT_TRIAL_ANCHOR", str(tmp_path / "team" / "anchor.json"))
    original = register_of(Home.from_environment())
    evaluate(original, "momentum-best", 1)
    shutil.copytree(home.root, tmp_path / "copy")
    monkeypatch.setenv("TORGHUT_HOME", str(tmp_path / "copy"))
    evaluate(register_of(Home.from_environment()), "momentum-sweep", SWEEP)
    assert "relocated" in verify()[1]
    monkeypatch.setenv("TORGHUT_HOME", str(home.root))
    status, found = verify()
    assert (status, "truncated" in found) == (3, True)
    with pytest.raises(TrialRegisterBrokenError):
        original.count("momentum-best")


def test_10_a_copy_with_its_own_anchor_is_known_for_a_copy(home, register, monkeypatch, tmp_path):
    shutil.copytree(home.root, tmp_path / "copy")
    monkeypatch.setenv("TORGHUT_HOME", str(tmp_path / "copy"))
    copy = register_of(Home.from_environment())
    assert verify()[0] == 3
    evaluate(copy, "momentum-next", 1)
    status, found = verify()
    assert (status, "suspect" in found, "relocated" in found) == (3, True, True)
    assert copy.count("momentum-next").raw == SWEEP + 2


def test_10_evidence_copied_from_another_home_has_no_ticket_here(home, register, tmp_path):
    elsewhere = TrialRegister(tmp_path / "e" / "t.sqlite", tmp_path / "e.json", register.policy)
    evaluate(elsewhere, "momentum-best", 1)
    home.store.put(diagnostics(elsewhere).canonical_bytes())
    status, found = verify()
    assert (status, "claim_differs" in found) == (3, True)
