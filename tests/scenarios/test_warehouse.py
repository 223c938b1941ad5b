"""The warehouse of a real home says what its records say, and shows where they are."""

import datetime as dt
import json
import re
from collections import Counter
from pathlib import Path

import duckdb
import pytest
from command_line import torghut
from evaluated_examples import KEY, PASSING, REFUSED, REFUSED_KEY
from traded_home import DAYS, rolled_back_home

from torghut_assets.assets.keys import ASSETS
from torghut_assets.assets.warehouse import MODELS, TESTS
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.trials import register_of
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.drift.records import SEVERITY, DriftReport, Level
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.rollback.records import IncidentReport, RollbackReceipt
from torghut_assets.domain.stages.config import STAGES
from torghut_assets.domain.stages.loader import load_pipeline
from torghut_assets.domain.stages.machine import stand
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.receipt_book import ReceiptBook
from torghut_assets.resources.warehouse_reader import Warehouse

LAST = f"{PASSING}|{DAYS[-1]}"
PAGE = Path(__file__).resolve().parents[2] / "docs" / "warehouse.md"


class Built:
    """A home with its warehouse, and what the command said that built it."""

    def __init__(self, home, said):
        self.home = home
        self.said = said

    def ask(self, sql):
        with Warehouse.opened(self.home.warehouse_path) as warehouse:
            answer = warehouse.ask(sql)
        return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]

    def record(self, model, asset, partition):
        """The record that the ledger stated last for a partition."""
        digest = [
            entry.subjects["record"]
            for entry in Ledger(self.home).entries()
            if (said := entry.statement.predicate.record).get("asset") == asset
            and said["partition"] == partition
        ][-1]
        return model.from_canonical_bytes(self.home.store.get(digest), location=asset)


@pytest.fixture(scope="module")
def built(evaluated_home, tmp_path_factory):
    """Built once; the folder's name is one that somebody could have put into SQL."""
    root = tmp_path_factory.mktemp("warehouse") / "it's {a} (home) $x; drop"
    home = rolled_back_home(evaluated_home, root)
    done = torghut("warehouse", "build", TORGHUT_HOME=str(root))
    assert done.returncode == 0, done.stderr
    return Built(home, done.stdout)


@pytest.fixture
def asked(built, monkeypatch):
    """The command `torghut sql` on this home."""
    return lambda *words: torghut("sql", *words, TORGHUT_HOME=str(built.home.root))


def test_the_build_says_what_it_made_and_about_which_ledger(built):
    entries = len(Ledger(built.home).entries())
    assert f"{len(MODELS)} tables of ledger entry {entries}" in built.said
    assert built.ask("select ledger_sequence from stg_ledger_head") == [
        {"ledger_sequence": entries}
    ]
    assert max(map(len, built.said.splitlines()[:-1])) <= 80


def test_every_table_and_test_is_an_asset_and_a_check_of_the_same_name(built):
    tables = {row["name"] for row in built.ask("show tables")}
    assert tables == {spec.key.to_user_string() for spec in MODELS}
    with instance_of(built.home) as instance:
        for spec in MODELS:
            (made,) = instance.fetch_materializations(spec.key, limit=5).records
            counted = made.asset_materialization.metadata["rows"].value
            name = spec.key.to_user_string()
            assert built.ask(f"select count(*) as n from {name}") == [{"n": counted}]
        keys = [spec.key for spec in TESTS]
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
    passed = {
        key.name: record.event.dagster_event.asset_check_evaluation_data.passed
        for key, record in latest.items()
    }
    assert set(passed) == {spec.name for spec in TESTS}
    wrong = {name for name, is_passed in passed.items() if not is_passed}
    unstated = built.ask("select 1 from stg_stage_receipts where ledger_sequence is null")
    assert wrong == ({"every_register_entry_is_stated"} if unstated else set())


def test_the_scorecard_is_what_the_records_say(built):
    rows = {row["candidate_id"]: row for row in built.ask("select * from candidate_scorecard")}
    assert set(rows) == {PASSING, REFUSED}
    pipeline = load_pipeline(built.home.config_path("pipeline").read_bytes())
    for candidate, key in ((PASSING, KEY), (REFUSED, REFUSED_KEY)):
        row = rows[candidate]
        report = built.record(GateReport, "gate_report", key)
        metrics = built.record(BacktestMetrics, "backtest_metrics", key)
        overfit = built.record(OverfitDiagnostics, "overfit_diagnostics", key)
        assert row["verdict"] == report.verdict.value
        assert row["digest"] == report.digest
        assert row["reason_codes"] == sorted({r.code for r in report.blocking_reasons})
        assert row["failed_limits"] == len(report.failed)
        assert row["sharpe_annual"] == metrics.out_of_sample.sharpe_annual
        assert row["max_drawdown_fraction"] == metrics.out_of_sample.max_drawdown_fraction
        assert (row["trials_raw"], row["dsr"], row["pbo"]) == (
            overfit.trials_raw,
            overfit.dsr,
            overfit.pbo,
        )
        own = [
            r for r in ReceiptBook(built.home).receipts() if r.decision.candidate_id == candidate
        ]
        assert row["stands_at"] == stand(pipeline, own).stage
    assert (rows[PASSING]["sessions"], rows[REFUSED]["sessions"]) == (len(DAYS), 0)
    assert (rows[PASSING]["rollbacks"], rows[REFUSED]["rollbacks"]) == (1, 0)
    assert rows[REFUSED]["paper_return_fraction"] is None
    assert rows[PASSING]["reasons"] is None


def test_every_ledger_sequence_leads_to_the_statement_about_the_digest(built):
    entries = {
        entry.sequence: set(entry.subjects.values()) for entry in Ledger(built.home).entries()
    }
    for spec in MODELS:
        name = spec.key.to_user_string()
        rows = built.ask(f"select digest, ledger_sequence from {name}")
        for row in rows:
            if row["ledger_sequence"] is not None and name not in (
                "stg_ledger_head",
                "stg_approvals",
                "promotion_funnel",
            ):
                assert row["digest"] in entries[row["ledger_sequence"]], (name, row)
        if name.startswith("stg_") and rows and "register" not in name:
            columns = built.ask(f"describe {name}")
            if "is_current" in {column["column_name"] for column in columns}:
                assert all(row["ledger_sequence"] for row in rows), name


def test_the_funnel_counts_receipts(built):
    receipts = ReceiptBook(built.home).receipts()
    rows = built.ask("select * from promotion_funnel order by position")
    assert [row["stage"] for row in rows] == list(STAGES)
    outcomes = Counter((r.decision.stage, r.outcome.value) for r in receipts)
    last = {r.decision.candidate_id: r.decision.to_stage for r in receipts}
    for row in rows:
        for column, outcome in (
            ("passed", "pass"),
            ("failed", "fail"),
            ("missing", "missing"),
            ("inconclusive", "inconclusive"),
            ("superseded", "superseded"),
        ):
            assert row[column] == outcomes[row["stage"], outcome]
        assert row["candidates_standing"] == Counter(last.values())[row["stage"]]
        who = {r.decision.candidate_id for r in receipts if r.decision.stage == row["stage"]}
        assert row["candidates_decided"] == len(who)


def test_the_reasons_are_those_of_the_reports(built):
    expected = Counter()
    for key in (KEY, REFUSED_KEY):
        report = built.record(GateReport, "gate_report", key)
        expected.update((g.gate_id, r.code) for g in report.gates for r in g.reasons)
    for day in DAYS:
        report = built.record(PaperGateReport, "paper_gate_report", f"{PASSING}|{day}")
        expected.update((report.gate_id, r.code) for r in report.reasons)
    rows = built.ask("select * from gate_failures_by_reason")
    found = Counter()
    for row in rows:
        found[row["gate_id"], row["reason_code"]] += row["failures"]
        assert row["digest"] in row["digests"]
    assert found == expected
    assert len(expected) > 3


def test_costs_of_a_day_are_those_of_the_cost_analysis(built):
    rows = built.ask("select * from tca_daily order by session")
    assert [row["session"] for row in rows] == list(DAYS)
    for row in rows:
        tca = built.record(PaperTca, "paper_tca", f"{PASSING}|{row['session']}")
        measured = [o for o in tca.orders if o.shortfall is not None]
        assert row["digest"] == tca.digest
        assert row["orders"] == len(tca.orders)
        assert row["unmeasured_orders"] == len(tca.unmeasured)
        assert row["filled_shares"] == sum(o.filled_shares for o in tca.orders)
        assert row["net_return_fraction"] == tca.net_return_fraction
        if not measured:
            assert row["shortfall_bps"] is row["shortfall_usd"] is None
            continue
        assert row["shortfall_bps"] == pytest.approx(tca.shortfall_bps, rel=1e-12)
        total = sum(o.shortfall.total_usd for o in measured)
        assert row["shortfall_usd"] == pytest.approx(total, rel=1e-12)
        cost = [(o.realised_cost_bps, o.filled_notional_usd) for o in tca.orders]
        assert row["realised_cost_bps"] == pytest.approx(
            sum(c * n for c, n in cost if c is not None) / sum(n for c, n in cost if c is not None)
        )
    assert rows[0]["orders"] > 0


def test_the_drift_timeline_shows_levels_readings_and_the_rollback(built):
    rows = built.ask("select * from drift_timeline order by session")
    assert [row["session"] for row in rows] == list(DAYS)
    for row in rows:
        report = built.record(DriftReport, "drift_report", f"{PASSING}|{row['session']}")
        levels = Counter(reading.level for reading in report.readings)
        assert (row["digest"], row["level"]) == (report.digest, report.level.value)
        assert row["readings"] == len(report.readings)
        assert row["not_yet"] == levels[Level.NOT_YET]
        assert row["failed"] == len(report.failed)
        telling = [r for r in report.readings if r.level in SEVERITY[2:]]
        assert (row["reasons"] is None) == (not telling)
        if telling:
            worst = max(telling, key=lambda r: SEVERITY.index(r.level))
            assert row["worst_measurement"] == worst.measurement
            assert row["worst_measured"] == worst.measured
    before, after = rows
    assert before["rollback_state"] is before["incident_class"] is None
    receipt = built.record(RollbackReceipt, "rollback_receipt", LAST)
    incident = built.record(IncidentReport, "incident_report", LAST)
    assert after["rollback_state"] == receipt.state == "restored"
    assert after["rollback_receipt_digest"] == receipt.digest
    assert after["incident_class"] == incident.incident_class
    assert after["incident_report_digest"] == incident.digest


def test_each_fill_resolves_to_strategy_approval_gate_trials_and_bytes(built):
    journal = OrderJournal(built.home).ledger().orders
    rows = built.ask("select * from order_lineage")
    fills = {(key, fill.fill_id) for key, order in journal.items() for fill in order.fills}
    assert {(r["order_key"], r["fill_id"]) for r in rows if r["fill_id"]} == fills
    assert {r["order_key"] for r in rows} == set(journal)
    assert {r["purpose"] for r in rows} == {"rebalance", "flatten"}
    report = built.record(GateReport, "gate_report", KEY)
    inputs = {ref.name: ref.digest for ref in report.inputs}
    metrics = built.record(BacktestMetrics, "backtest_metrics", KEY)
    tickets = {
        e.result_digest: e.ticket_sequence
        for e in register_of(built.home).entries()
        if getattr(e, "status", "") == "finished"
    }
    admitted = next(
        r
        for r in ReceiptBook(built.home).receipts()
        if r.decision.stage == "gate_policy_evaluation" and r.decision.candidate_id == PASSING
    )
    for row in rows:
        assert row["chain_resolves"] is True
        assert row["broken_link"] is None
        assert row["strategy_build_digest"] == metrics.inputs.build_digest
        assert row["candidate_spec_digest"] == metrics.inputs.spec_digest
        assert row["gate_report_digest"] == report.digest
        assert row["gate_verdict"] == "pass"
        assert row["approval_receipt_digest"] == admitted.digest
        assert row["overfit_diagnostics_digest"] == inputs["overfit_diagnostics"]
        assert row["dataset_snapshot_digest"] == inputs["dataset_snapshot"]
        assert row["trial_ticket_sequence"] == tickets[metrics.digest]
        for column in row:
            if column.endswith("_digest") and row[column] and "code" not in column:
                stored = row[column] in built.home.store
                assert stored or column in ("fill_digest", "approval_receipt_digest"), column
        fill = {f.fill_id: f for f in journal[row["order_key"]].fills}.get(row["fill_id"])
        if fill:
            assert (row["filled_shares"], row["price_usd"]) == (fill.quantity, fill.price_usd)


def test_the_trials_are_those_that_the_register_counts(built):
    rows = built.ask("select * from trial_register order by sequence")
    register = register_of(built.home)
    tickets = [e for e in register.entries() if e.record_kind == "trial-ticket"]
    assert [row["digest"] for row in rows] == [ticket.digest for ticket in tickets]
    for candidate in (PASSING, REFUSED):
        own = [row for row in rows if row["candidate_id"] == candidate]
        counted = register.count(candidate)
        assert sum(row["counted_trials"] for row in own) == counted.own_trials
        assert own[-1]["candidate_trials_so_far"] == counted.own_trials
    assert {row["status"] for row in rows} == {"finished"}
    assert all(row["result_asset"] in ASSETS for row in rows if row["result_digest"])


def test_every_column_is_documented_in_the_file_itself(built):
    with Warehouse.opened(built.home.warehouse_path) as warehouse:
        assert [c for c in warehouse.columns() if len(c.description) < 4] == []
        assert all(len(text) > 10 for text in warehouse.tables().values())


def test_the_file_is_one_that_older_clients_can_read(built):
    with duckdb.connect(str(built.home.warehouse_path), read_only=True) as connection:
        (tags,) = connection.execute(
            "select tags from duckdb_databases() where not internal"
        ).fetchone()
        assert tags["storage_version"].startswith("v1.0")
        views = connection.execute("select count(*) from duckdb_views() where not internal")
        assert views.fetchone() == (0,), "a view would read files that others do not have"


def test_sql_prints_tables_objects_and_csv(built, asked):
    shown = asked("select stage, decisions from promotion_funnel where position <= 2")
    assert shown.returncode == 0
    assert shown.stdout.splitlines()[0].split() == ["stage", "decisions"]
    assert shown.stdout.splitlines()[-1] == "(2 rows)"
    query = "select session, list_value(1, 2) as l, null as n, 0.1 + 0.2 as x from tca_daily"
    (row, _) = json.loads(asked("--json", query).stdout)
    assert row == {"session": DAYS[0], "l": [1, 2], "n": None, "x": 0.3}
    assert asked("--csv", query).stdout.splitlines()[:2] == [
        "session,l,n,x",
        f'{DAYS[0]},"[1, 2]",,0.3',
    ]
    wide = asked("select * from order_lineage limit 2").stdout
    assert max(map(len, wide.splitlines())) <= 80
    assert wide.count("order_key") == 2


def test_sql_without_a_query_lists_marts_with_their_columns(built, asked):
    listed = asked().stdout
    for spec in MODELS:
        name = spec.key.to_user_string()
        assert (f"\n{name}\n" in f"\n{listed}") == (not name.startswith("stg_"))
    assert "verdict (varchar)" in listed
    assert max(map(len, listed.splitlines())) <= 80
    assert "stg_fills" in asked("--all").stdout
    document = json.loads(asked("--json").stdout)
    assert document["tca_daily"]["columns"]["shortfall_bps"]["type"] == "DOUBLE"


def test_a_cell_cannot_drive_the_terminal(asked):
    shown = asked("select 'a' || chr(27) || '[2J' || chr(8238) || 'b' as x").stdout
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_sql_says_what_is_wrong_in_one_line(built, asked, tmp_path):
    refused = asked("select no_such_column from tca_daily")
    assert refused.returncode == 4
    assert refused.stderr.startswith("torghut: sql: found Binder Error")
    assert refused.stderr.count("\n") == 1
    assert asked("--csv", "--json", "select 1").returncode == 2
    none = torghut("sql", "select 1", TORGHUT_HOME=str(tmp_path / "none"))
    assert none.returncode == 3
    assert "torghut warehouse build" in none.stderr


def test_times_are_written_as_utc(asked):
    (row,) = json.loads(asked("--json", "select recorded_at from stg_ledger_head").stdout)
    assert dt.datetime.fromisoformat(row["recorded_at"]).utcoffset() == dt.timedelta(0)


QUERIES = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_queries_of_the_page_answer_what_it_asks(built):
    who, why, rests_on = (built.ask(query) for query in QUERIES)
    assert {row["candidate_id"]: row["verdict"] for row in who} == {
        PASSING: "pass",
        REFUSED: "fail",
    }
    assert [bool(row["reason_codes"]) for row in who] == [False, True]
    assert [row["session"] for row in why] == list(DAYS)
    assert why[-1]["level"] == "fail"
    assert why[-1]["worst_measurement"] == "session_loss"
    assert why[-1]["worst_measured"] > why[-1]["worst_fail_limit"]
    assert why[-1]["rollback_state"] == "restored"
    (row,) = rests_on
    assert row["all_resolve"] is True
    assert row["fills"] == len(built.ask("select 1 from stg_fills"))
    assert None not in row.values()


def compiled_tests(home):
    """The statements that dbt ran, by test."""
    results = home.warehouse_folder / "building" / "target" / "run_results.json"
    found = json.loads(results.read_text())["results"]
    return {
        each["unique_id"].split(".")[2]: each["compiled_code"]
        for each in found
        if each["unique_id"].startswith("test.")
    }


def breaking(spec):
    """A statement after which a generic test must fail, from what its name says."""
    table, name = spec.asset_key.to_user_string(), spec.name
    short = table.removeprefix("stg_")
    if name.startswith("one_row_per_"):
        return f"insert into {table} select * from {table} limit 1"
    column = name.removeprefix(f"{short}_")
    for ending, value in (
        ("_is_never_empty", "null"),
        ("_is_a_digest", "'ABC'"),
        ("_is_known", "'nonsense'"),
        ("_is_a_stage", "'nonsense'"),
    ):
        if column.endswith(ending):
            return f"update {table} set {column.removesuffix(ending)} = {value}"
    column, found, _ = column.partition("_is_in_")
    kind = "-1" if column == "sequence" else "'" + "f" * 64 + "'"
    return f"update {table} set {column} = {kind}" if found else None


SINGULAR = {
    "drift_levels_follow_from_readings": "update stg_drift_readings set report_level = 'pass'",
    "every_fill_resolves": "update order_lineage set chain_resolves = false",
    "every_register_entry_is_stated": "update stg_fills set ledger_sequence = null",
    "fills_add_up_to_their_order": "delete from stg_fills",
    "funnel_counts_every_decision": "update promotion_funnel set decisions = decisions + 1",
    "joins_agree_with_the_chain": "update order_lineage set approval_receipt_digest = null",
    "lineage_has_every_order_and_fill_once": "delete from order_lineage where symbol = 'AAPL'",
    "nothing_is_newer_than_the_ledger": "update stg_ledger_head set ledger_sequence = 5",
    "receipts_follow_each_other": "delete from stg_stage_receipts where sequence = 1",
    "scorecard_agrees_with_the_gate": "update candidate_scorecard set reason_codes = ['X']",
    "shortfalls_add_up": "update tca_daily set delay_usd = delay_usd + 1",
    "verdicts_follow_from_limits": "update stg_gate_reports set verdict = 'pass'",
}
NO_ROWS_HERE = {"stg_approvals": "insert into stg_approvals (ledger_sequence) values (1), (1)"}


@pytest.mark.parametrize("spec", TESTS, ids=lambda spec: spec.name)
def test_each_test_fails_when_a_row_is_broken(built, tmp_path, spec):
    statement = SINGULAR.get(spec.name) or breaking(spec)
    assert statement, f"say how to break {spec.name}"
    if spec.name.startswith("one_row_per_"):
        statement = NO_ROWS_HERE.get(spec.asset_key.to_user_string(), statement)
    sql = compiled_tests(built.home)[spec.name]
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(built.home.warehouse_path.read_bytes())
    with duckdb.connect(str(path)) as connection:
        if spec.name != "every_register_entry_is_stated":
            assert connection.execute(sql).fetchall() == []
        before = len(connection.execute(sql).fetchall())
        connection.execute(statement)
        assert len(connection.execute(sql).fetchall()) > before
