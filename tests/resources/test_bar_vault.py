import datetime as dt

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from torghut_assets.domain.backtest.families import ReturnSeries
from torghut_assets.domain.backtest.holdout import HoldoutSpentError, HoldoutTooEarlyError
from torghut_assets.domain.backtest.records import EvaluationInputs
from torghut_assets.domain.backtest.register_checks import TrialRegisterBrokenError
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import Trial
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceContradictionError,
    EvidenceDigestMismatchError,
)
from torghut_assets.domain.snapshots.records import (
    BarFile,
    SnapshotManifest,
    SourceDescription,
    SymbolCoverage,
)
from torghut_assets.domain.snapshots.schema import BAR_SCHEMA, NUMBERS, STORED_BAR_SCHEMA
from torghut_assets.resources.artifact_files import FileStore
from torghut_assets.resources.bar_vault import BarVault
from torghut_assets.resources.trial_register import (
    StoredReturns,
    TicketNotOpenError,
    TrialRegister,
)

SYMBOLS = ("AAPL", "MSFT")
FIRST, LAST = dt.date(2020, 1, 1), dt.date(2021, 12, 31)


def digest(text):
    return sha256_hex(text.encode())


def take(store):
    """A snapshot of two symbols, one bar a day for two years."""
    n = (LAST - FIRST).days + 1
    times = np.arange(FIRST, LAST + dt.timedelta(days=1), dtype="datetime64[D]")
    steps = np.random.default_rng(5).normal(0, 0.01, (len(SYMBOLS), n))
    prices = 100 * np.exp(np.cumsum(steps, axis=1))
    columns = {
        "symbol": np.repeat(SYMBOLS, n),
        "time": pa.array(np.tile(times.astype("datetime64[us]"), 2)).cast(
            BAR_SCHEMA.field("time").type
        ),
        **{name: prices.ravel() for name in NUMBERS},
    }
    with store.writing() as temporary:
        pq.write_table(pa.table(columns, schema=STORED_BAR_SCHEMA), temporary)
        size = temporary.stat().st_size
        file = store.adopt(temporary)
    return SnapshotManifest(
        snapshot_id="two-names@2021-12-31",
        universe="two-names",
        as_of=LAST,
        frequency="1d",
        calendar="XNYS",
        first_session=FIRST,
        last_session=LAST,
        rows=2 * n,
        symbols=tuple(
            SymbolCoverage(
                symbol=s, rows=n, first_session=FIRST, last_session=LAST, missing_sessions=0
            )
            for s in SYMBOLS
        ),
        files=(BarFile(digest=file, rows=2 * n, size_bytes=size),),
        source=SourceDescription(
            source_kind="folder", name="seeded", licence="none", digest=digest("seed"), caveats=()
        ),
        checks=("schema",),
        findings=(),
    )


def policy(**changes):
    fields = {
        "policy_version": "1",
        "join_correlation": 0.95,
        "recorded_correlation": 0.8,
        "min_overlap_bars": 20,
        "holdout_months": 6,
        "holdout_looks_per_family": 1,
        "grant_disjoint_windows": False,
        "source": "tests",
    }
    return TrialPolicy(**(fields | changes))


def trial(manifest, candidate="momentum-a", **changes):
    names = ("build", "cost_model", "risk_limits", "settings", "trial_policy")
    inputs = EvaluationInputs(
        candidate_id=candidate,
        snapshot_id=manifest.snapshot_id,
        spec_digest=digest(candidate),
        manifest_digest=manifest.digest,
        **{f"{name}_digest": digest(name) for name in names},
    )
    fields = {
        "family": "momentum",
        "parent": None,
        "code_digest": digest("code"),
        "grid_points": 10,
        "declared_outside_trials": 0,
        "inputs": inputs,
    }
    return Trial(purpose="backtest_metrics", **(fields | changes))


def returns_of(_digest):
    times = np.arange(100).astype("datetime64[D]")
    return ReturnSeries(times=times, returns=np.random.default_rng(1).normal(0, 0.01, 100))


@pytest.fixture
def store(tmp_path):
    return FileStore(tmp_path / "store")


@pytest.fixture
def manifest(store):
    return take(store)


@pytest.fixture
def register(tmp_path):
    return TrialRegister(tmp_path / "trials.sqlite", tmp_path / "anchor.json", policy())


@pytest.fixture
def vault(store, register):
    return BarVault(store, register)


def test_bars_are_handed_out_against_an_open_ticket(vault, register, manifest):
    with register.under_ticket(trial(manifest)) as ticket:
        panel = vault.open(manifest, ticket)
    assert panel.symbols == SYMBOLS
    assert panel.times[0] == np.datetime64("2020-01-01")
    assert np.isfinite(panel.close).all()


def test_the_panel_ends_before_the_holdout(vault, register, manifest):
    with register.under_ticket(trial(manifest)) as ticket:
        panel = vault.open(manifest, ticket)
    assert panel.times[-1] == np.datetime64("2021-06-30")
    assert panel.close.shape == (547, 2)


def test_nobody_can_write_to_the_panel(vault, register, manifest):
    with register.under_ticket(trial(manifest)) as ticket:
        panel = vault.open(manifest, ticket)
    with pytest.raises(ValueError, match="read-only"):
        panel.close[0, 0] = 1.0


@pytest.mark.parametrize("ending", ["finished", "abandoned"])
def test_an_ended_ticket_opens_nothing(vault, register, manifest, ending):
    ticket = register.open_ticket(trial(manifest))
    if ending == "finished":
        register.finish(ticket, digest("result"))
    else:
        register.abandon(ticket)
    with pytest.raises(TicketNotOpenError, match=ending):
        vault.open(manifest, ticket)


def test_a_ticket_for_another_snapshot_opens_nothing(vault, register, manifest):
    other = manifest.model_copy(update={"snapshot_id": "two-names@2020-12-31"})
    ticket = register.open_ticket(trial(other))
    with pytest.raises(EvidenceContradictionError, match=manifest.digest):
        vault.open(manifest, ticket)


def test_a_ticket_of_another_register_opens_nothing(vault, manifest, tmp_path):
    other = TrialRegister(tmp_path / "other.sqlite", tmp_path / "other.json", policy())
    with pytest.raises(TicketNotOpenError, match="did not issue it"):
        vault.open(manifest, other.open_ticket(trial(manifest)))


def test_a_register_without_its_anchor_opens_nothing(vault, register, manifest, tmp_path):
    ticket = register.open_ticket(trial(manifest))
    (tmp_path / "anchor.json").unlink()
    with pytest.raises(TrialRegisterBrokenError, match="anchor_missing"):
        vault.open(manifest, ticket)


def test_altered_bars_are_not_handed_out(vault, register, manifest, store):
    path = store.path_of(manifest.files[0].digest)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    ticket = register.open_ticket(trial(manifest))
    with pytest.raises(EvidenceDigestMismatchError):
        vault.open(manifest, ticket)


def test_a_policy_without_holdout_hands_out_all_bars(store, manifest, tmp_path):
    register = TrialRegister(tmp_path / "r.sqlite", tmp_path / "a.json", policy(holdout_months=0))
    vault = BarVault(store, register)
    ticket = register.open_ticket(trial(manifest))
    assert vault.open(manifest, ticket).times[-1] == np.datetime64("2021-12-31")
    with pytest.raises(EvidenceContradictionError, match="holdout_months"):
        vault.open_holdout(manifest, ticket)


def test_a_holdout_longer_than_the_data_is_refused(store, manifest, tmp_path):
    register = TrialRegister(tmp_path / "r.sqlite", tmp_path / "a.json", policy(holdout_months=24))
    ticket = register.open_ticket(trial(manifest))
    with pytest.raises(BadInputError, match="holdout"):
        BarVault(store, register).open(manifest, ticket)


def test_the_holdout_is_seen_once_per_family(vault, register, manifest):
    early = register.open_ticket(trial(manifest))
    with pytest.raises(HoldoutTooEarlyError):
        vault.open_holdout(manifest, early)
    register.finish(early, digest("result"), StoredReturns(digest("returns"), returns_of))

    with register.under_ticket(trial(manifest)) as ticket:
        panel, window, receipt = vault.open_holdout(manifest, ticket)
    assert (panel.n_bars, window.first_bar, window.end_bar) == (731, 547, 731)
    assert (window.first_session, receipt.look) == (dt.date(2021, 7, 1), 1)
    assert receipt in register.entries()

    renamed = trial(manifest, "brand-new-idea", family="genius")
    with register.under_ticket(renamed) as ticket:
        register.finish(
            register.open_ticket(renamed),
            digest("another result"),
            StoredReturns(digest("other returns"), returns_of),
        )
        with pytest.raises(HoldoutSpentError):
            vault.open_holdout(manifest, ticket)


def test_a_refused_look_burns_nothing(vault, register, manifest):
    with register.under_ticket(trial(manifest)) as ticket, pytest.raises(HoldoutTooEarlyError):
        vault.open_holdout(manifest, ticket)
    assert register.count("momentum-a").holdout_looks == 0


def test_a_register_that_is_gone_opens_nothing(vault, register, manifest, tmp_path):
    ticket = register.open_ticket(trial(manifest))
    (tmp_path / "trials.sqlite").unlink()
    with pytest.raises(TrialRegisterBrokenError, match="truncated"):
        vault.open(manifest, ticket)
