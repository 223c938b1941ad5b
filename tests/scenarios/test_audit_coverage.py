"""Every order leads back to everything it rests on; what is gone is named by its link."""

import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner
from evaluated_examples import PASSING, REFUSED_KEY
from paper_home import DAYS

from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.main import torghut
from torghut_assets.definitions import HELD
from torghut_assets.domain.audit.order_chains import ChainResolver
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.records import OrderIntents, PaperDeployment
from torghut_assets.resources.order_coverage import HomeEvidence, measure_coverage
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.reconciliation import Reconciler

LINKS = ("order", "fill", "tca", "intent", "deployment", "strategy", "gate", "trials", "bytes")


def seen_in(home):
    with instance_of(home) as instance:
        reconciler = Reconciler(home, instance, {n: m.record_type for n, m in HELD.items()})
        return reconciler.see()


def audit(*arguments):
    done = CliRunner().invoke(torghut, ["audit", *arguments, "--json"])
    return done.exit_code, json.loads(done.stdout)


def alter(home, digest):
    path = home.store.path_of(digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b" ")


def test_every_order_leads_back_to_everything(traded):
    status, found = audit("coverage")
    assert (status, found["complete"], found["order_share_fraction"]) == (0, True, 1.0)
    orders = OrderJournal(traded).ledger().orders
    assert found["orders"] == found["orders_resolved"] == len(orders) > 0
    assert found["decisions_refused"] == found["rejections_kept"] > 0
    resolver = ChainResolver(HomeEvidence(traded, seen_in(traded)))
    for order in orders.values():
        links = resolver.links_of(order)
        assert tuple(link.name for link in links) == LINKS
        assert all(link.resolves for link in links)
    assert audit("reconcile")[0] == 0


def place(home, evidence, link):
    """Return what to damage so that exactly this link breaks."""
    partition = f"{PASSING}|{DAYS[0]}"
    newest = {
        "order": "paper_orders",
        "fill": "paper_fills",
        "tca": "paper_tca",
        "intent": "order_intents",
    }
    if link in newest:
        return evidence.newest(newest[link], partition)
    intents = evidence.record(OrderIntents, evidence.newest("order_intents", partition))
    if link == "deployment":
        return intents.deployment_digest
    deployment = evidence.record(PaperDeployment, intents.deployment_digest)
    if link == "strategy":
        return deployment.strategy_build_digest
    report = evidence.record(GateReport, deployment.gate_report_digest)
    metrics = evidence.record(BacktestMetrics, deployment.backtest_metrics_digest)
    inputs = {ref.name: ref.digest for ref in report.inputs}
    return {
        "gate": report.digest,
        "trials": metrics.path_frame_digest,
        "bytes": inputs["dataset_snapshot"],
    }[link]


@pytest.mark.parametrize("damage", ["gone", "altered"])
@pytest.mark.parametrize("link", LINKS)
def test_what_is_gone_or_altered_breaks_its_link_and_no_earlier_one(traded, link, damage):
    seen = seen_in(traded)
    digest = place(traded, HomeEvidence(traded, seen), link)
    if damage == "gone":
        traded.store.path_of(digest).unlink()
    else:
        alter(traded, digest)
    covered = measure_coverage(traded, seen_in(traded))
    assert covered.resolved < covered.orders
    assert {broken.link.name for broken in covered.broken} == {link}
    assert not covered.is_complete


def test_a_refusal_whose_evidence_is_gone_is_counted_as_lost(traded):
    evidence = HomeEvidence(traded, seen_in(traded))
    traded.store.path_of(evidence.newest("gate_report", REFUSED_KEY)).unlink()
    status, found = audit("coverage")
    assert status == 3
    assert found["rejections_kept"] < found["decisions_refused"]
    assert any(REFUSED_KEY in lost for lost in found["rejections_lost"])
    assert any("stage receipt" in lost for lost in found["rejections_lost"])


def test_events_deleted_from_the_log_are_named_and_come_back(traded):
    """An editor of Dagster's database can hide a record from the index, not from the ledger."""
    with closing(sqlite3.connect(traded.dagster_home / "history/runs/index.db")) as database:
        hidden = database.execute(
            "delete from event_logs where dagster_event_type = 'ASSET_MATERIALIZATION' "
            "and asset_key = '[\"gate_report\"]'"
        ).rowcount
        database.commit()
    assert hidden == 2
    status, found = audit("coverage")
    assert (status, found["statements_without_event"]) == (3, 2)
    status, found = audit("reconcile", "--heal")
    assert status == 0
    assert [h["by"] for h in found["healed"]] == ["report_event"] * 2
    assert audit("coverage")[0] == 0


def test_a_receipt_that_was_rewritten_is_named(traded):
    """Somebody with write access rebuilds the last receipt, its digest and the anchor."""
    with closing(sqlite3.connect(traded.receipts_path)) as database:
        for (name,) in database.execute(
            "select name from sqlite_master where type = 'trigger'"
        ).fetchall():
            database.execute(f"drop trigger {name}")
        database.execute("delete from entries where sequence = (select max(sequence) from entries)")
        database.commit()
    status, found = audit("reconcile")
    assert status == 3
    assert [d["code"] for d in found["differences"]] == ["register_lost"]
