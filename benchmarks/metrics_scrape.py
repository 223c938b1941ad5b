"""What a scrape of the metrics costs, in processor time, on a home with many events.

    .venv/bin/python benchmarks/metrics_scrape.py --events 10000

Makes a home with that many order entries, stage receipts, ledger entries and materializations,
then reads all sources three times: the first reads everything, the others what is new.
"""

import argparse
import sqlite3
import tempfile
import time
from contextlib import closing
from pathlib import Path

import dagster as dg

from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.domain.orders.journal import OrderNote
from torghut_assets.domain.orders.keys import OrderRequest, order_key
from torghut_assets.domain.stages.evidence import Finding, Outcome
from torghut_assets.domain.stages.receipts import StageDecision
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Draft, Ledger
from torghut_assets.resources.metrics.collector import MetricsCollector
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.receipt_book import ReceiptBook

_WITH_PARTITION = frozenset({"event", "partition"})
CANDIDATE, SESSION, A = "bench-v1", "2022-01-03", "a" * 64


def order(n: int) -> OrderRequest:
    """One order of its own."""
    symbol = f"S{n}"
    return OrderRequest(
        key=order_key(CANDIDATE, SESSION, symbol, "rebalance", A),
        candidate_id=CANDIDATE,
        session=SESSION,
        deployment_digest=A,
        purpose="rebalance",
        symbol=symbol,
        side="buy",
        quantity=100,
        order_type="limit",
        limit_price_usd=189.0,
        decided_at="2021-12-31T21:00:00Z",
    )


def note(asked: OrderRequest, event: str) -> OrderNote:
    """What happens to an order next."""
    return OrderNote(
        key=asked.key,
        candidate_id=CANDIDATE,
        session=SESSION,
        event=event,  # type: ignore[arg-type] # one of its literals
        at="2022-01-03T14:25:00Z",
        request=asked if event == "claim" else None,
        broker_order_id="b" if event == "acknowledge" else None,
    )


def decision(n: int) -> StageDecision:
    """One decision; every fifth fails."""
    outcome = Outcome.FAIL if n % 5 == 0 else Outcome.PASS
    found = (Finding(condition="made_up", outcome=outcome, detail="for a benchmark", looked_at=()),)
    return StageDecision(
        candidate_id=f"bench-{n}",
        snapshot_id=None,
        session=None,
        parent=None,
        stage="research_intake",
        to_stage="candidate_build",
        requires=found,
        ensures=found,
        superseded=None,
        held_because=None,
        pipeline_digest=A,
        code_digest=A,
    )


def statement(n: int) -> Draft:
    """One statement of a record."""
    made = RecordMade(
        asset=f"asset_{n}",
        partition=None,
        record_kind_made="backtest-metrics",
        inputs={},
        code_digest=A,
        record_version_made=1,
        policies={},
        run_id=None,
        actor="bench",
        verdict=None,
        late=False,
    )
    return Draft("backtest", {"record": A}, made)


def fill(home: Home, instance: dg.DagsterInstance, events: int) -> None:
    """Write the events."""
    asked = [order(n) for n in range(events // 3)]
    OrderJournal(home).append(
        lambda _: [note(o, event) for event in ("claim", "submit", "acknowledge") for o in asked]
    )
    ReceiptBook(home).append(lambda _: tuple(decision(n) for n in range(events)))
    ledger = Ledger(home)
    ledger.append_all(lambda _: [statement(n) for n in range(events)])
    ledger.close()
    instance.report_runless_asset_event(
        dg.AssetMaterialization("gate_report", partition="p-0-p", tags={"dagster/data_version": A})
    )
    with closing(sqlite3.connect(home.dagster_home / "history/runs/index.db")) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(event_logs)")]
        names = ", ".join(name for name in columns if name != "id")
        values = ", ".join(
            f"replace({name}, 'p-0-p', 'p-' || n || '-p')" if name in _WITH_PARTITION else name
            for name in columns
            if name != "id"
        )
        database.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers "
            f"WHERE n < {events - 1}) INSERT INTO event_logs ({names}) "
            f"SELECT {values} FROM event_logs, numbers WHERE partition = 'p-0-p'"
        )
        database.commit()


def main() -> None:
    """Fill, scrape, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    events = parser.parse_args().events
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(Path(folder) / "home")
        with instance_of(home) as instance:
            fill(home, instance, events)
            collector = MetricsCollector(home, instance)
            collector._readings._gates[A] = ("pass", ())  # events are measured here, not records
            for number in (1, 2, 3):
                began = time.process_time()
                scraped = collector.scrape()
                spent = time.process_time() - began
                if scraped.problems:
                    raise SystemExit(str(scraped.problems))
                parts = {
                    s.labels[0]: s.value
                    for s in scraped.samples
                    if s.name.endswith("source_seconds")
                }
                told = "  ".join(f"{name} {value:.3f}" for name, value in parts.items())
                print(f"scrape {number}: {spent:.2f} s of processor time  {told}", flush=True)
            collector.close()


if __name__ == "__main__":
    main()
