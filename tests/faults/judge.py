"""What a home holds, without what no two runs can share, and how two homes differ.

The clock stands still in every child, so records are compared by digest. Left out are run ids,
signatures (each home has its own keys unless it is a copy) and how statements about register
entries were cut into batches.
"""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Final

from torghut_assets.domain.backtest.trials import TrialOutcome, TrialTicket
from torghut_assets.resources.home import Home

ONCE: Final = (
    *("orders", "broker orders", "broker fills", "positions", "accounts", "sessions"),
    *("receipts", "latches", "trials", "grants", "submitted", "partitions"),
)
"""What must be there exactly as often as in the undisturbed run."""


@dataclass
class Difference:
    """How a home that was disturbed differs from one that was not."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    repeated: int = 0

    def __bool__(self) -> bool:
        return bool(self.lost or self.duplicated or self.broken)

    def __str__(self) -> str:
        parts = [("lost", self.lost), ("duplicated", self.duplicated), ("broken", self.broken)]
        return "; ".join(f"{name}: {', '.join(found[:4])}" for name, found in parts if found)


def state_of(home: Home) -> dict[str, Any]:
    """Return what a home holds, by kind, each as a list of texts; and what is wrong in it."""
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.cli.trials import register_of
    from torghut_assets.definitions import HELD
    from torghut_assets.resources.kill_switch import KillSwitch
    from torghut_assets.resources.ledger import Ledger
    from torghut_assets.resources.order_journal import OrderJournal
    from torghut_assets.resources.receipt_book import ReceiptBook
    from torghut_assets.resources.reconciliation import Reconciler

    held: dict[str, list[str]] = {}
    entries = Ledger(home).verify().entries
    held["grants"] = [e.statement_digest for e in entries if e.kind == "ramp"]
    held["receipts"] = [
        f"{r.decision.stage} {r.decision.digest}" for r in ReceiptBook(home).receipts()
    ]
    journal = OrderJournal(home).ledger()
    held["orders"] = [
        f"{s.request.key} {s.status} {s.filled} of {s.request.quantity}"
        for s in journal.orders.values()
    ]
    held.update(_broker(home))
    switch = KillSwitch(home).reading(None)
    held["latches"] = [latch.digest for latch in (*switch.engaged, *switch.lifted)]
    held["submitted"] = [p.read_text() for p in sorted(home.candidates_folder.glob("*.yaml"))]
    broken: list[str] = []
    held["trials"], leftovers = [], _leftovers(home)
    if home.trial_register_path.is_file():
        register = register_of(home)
        broken += [f"trials: {f.code}" for f in register.verify() if f.severity == "broken"]
        held["trials"] = _trials(register.entries()) + [
            f"{path.stem} {register.count(path.stem).raw}"
            for path in sorted(home.candidates_folder.glob("*.yaml"))
            if _was_evaluated(register.entries(), path.stem)
        ]
    with instance_of(home) as instance:
        reconciler = Reconciler(home, instance, {n: made.record_type for n, made in HELD.items()})
        seen = reconciler.see()
        broken += [f"{d.code} {d.subject}" for d in reconciler.findings(seen).differences]
        held["events"] = [
            f"{e.reported.asset}[{e.reported.partition}] {e.reported.digest}" for e in seen.events
        ]
        held["statements"] = [f"{s.asset}[{s.partition}] {s.digest}" for s in seen.stated]
        held["partitions"] = [
            f"{name} {key}"
            for name in ("candidate", "snapshot", "session")
            for key in instance.get_dynamic_partitions(name)
        ]
    return {"held": held, "broken": broken, "leftovers": leftovers}


def compare(undisturbed: dict[str, Any], found: dict[str, Any]) -> Difference:
    """Return what the second home lacks, has twice, or has broken."""
    difference = Difference(broken=list(found["broken"]))
    for kind, wanted in undisturbed["held"].items():
        expected, actual = Counter(wanted), Counter(found["held"][kind])
        if kind not in ONCE:
            difference.repeated += sum((actual - expected).values())
            expected, actual = Counter(set(expected)), Counter(set(actual))
        difference.lost += [f"{kind} {text[:120]}" for text in (expected - actual)]
        difference.duplicated += [f"{kind} {text[:120]}" for text in (actual - expected)]
    return difference


def _broker(home: Home) -> dict[str, list[str]]:
    """Return the rows of the replay broker's own file."""
    tables = {
        "accounts": "accounts",
        "broker orders": "orders",
        "broker fills": "fills",
        "positions": "positions",
        "sessions": "sessions",
    }
    if not home.replay_broker_path.is_file():
        return {kind: [] for kind in tables}
    with closing(sqlite3.connect(home.replay_broker_path)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            return {kind: [] for kind in tables}
        return {
            kind: [json.dumps(row) for row in database.execute(f"SELECT * FROM {table}")]
            for kind, table in tables.items()
        }


def _trials(entries: Any) -> list[str]:
    """Return what was evaluated, each evaluation once, with what came of it."""
    tickets = {e.sequence: e.trial for e in entries if isinstance(e, TrialTicket)}
    return sorted(
        {
            f"{tickets[e.ticket_sequence].inputs.candidate_id} {e.result_digest}"
            for e in entries
            if isinstance(e, TrialOutcome) and e.status == "finished"
        }
    )


def _was_evaluated(entries: Any, candidate: str) -> bool:
    return any(
        isinstance(e, TrialTicket) and e.trial.inputs.candidate_id == candidate for e in entries
    )


def _leftovers(home: Home) -> int:
    """Count temporary files that killed processes left; they are harmless."""
    return sum(1 for p in home.root.rglob(".*") if p.name.startswith((".writing-", ".anchor-")))
