"""Coverage of one home: whose evidence is complete, counted from what is there.

Reads the order journal, the registers, the store and the ledger, each verified, and resolves the
chain of every order that was ever claimed.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeVar

from torghut_assets.domain.audit.order_chains import ChainResolver, Link, is_closing
from torghut_assets.domain.backtest.trials import RegisterEntry, TrialOutcome
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.evidence.statement import RecordMade
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.records import Record
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.stages.receipts import StageReceipt
from torghut_assets.resources.home import Home
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.receipt_book import ReceiptBook
from torghut_assets.resources.reconciliation import Seen
from torghut_assets.resources.statement_desk import RECORD, registers_of

RecordT = TypeVar("RecordT", bound=Record)
_GATE_STAGE: Final = "gate_policy_evaluation"
_REFUSALS: Final = (Outcome.FAIL, Outcome.INCONCLUSIVE, Outcome.MISSING)
_REPORTS: Final[Mapping[str, type[GateReport] | type[PaperGateReport]]] = {
    "gate-report": GateReport,
    "paper-gate-report": PaperGateReport,
}


class BrokenChain(NamedTuple):
    """An order whose chain ends too early."""

    key: str
    candidate_id: str
    session: str
    link: Link


class Coverage(NamedTuple):
    """Orders, how many of them lead back to everything, and refusals, how many of them are kept.

    `closing` of the orders were sent by rollbacks; nobody measures their transaction costs.
    `removed` orders and `refusals_removed` lead to a tombstone: removed under retention.
    """

    orders: int
    resolved: int
    closing: int
    broken: tuple[BrokenChain, ...]
    refused: int
    kept: int
    lost: tuple[str, ...]
    removed: tuple[BrokenChain, ...] = ()
    refusals_removed: tuple[str, ...] = ()

    @property
    def share_fraction(self) -> float:
        """Share of the orders whose evidence is to be there whose chain resolves; 1 of none."""
        due = self.orders - len(self.removed)
        return self.resolved / due if due else 1.0

    @property
    def is_complete(self) -> bool:
        """Whether every chain resolves or ends at a tombstone, and so for every refusal."""
        refusals = self.kept + len(self.refusals_removed)
        return self.resolved + len(self.removed) == self.orders and refusals == self.refused


class HomeEvidence:
    """The evidence of one home as `ChainEvidence`, read once."""

    def __init__(self, home: Home, seen: Seen) -> None:
        self._store = home.store
        self._stored = seen.stored
        self._retention = seen.retention
        self._files: dict[str, Mapping[str, str]] = {}
        self._newest: dict[tuple[str, str | None], str] = {}
        self._of_candidate: dict[tuple[str, str], list[str]] = {}
        for each in seen.stated:
            self._files[each.digest] = each.files
            candidate, _, _ = (each.partition or "").partition("|")
            self._of_candidate.setdefault((each.asset, candidate), []).insert(0, each.digest)
            if not each.late or (each.asset, each.partition) not in self._newest:
                self._newest[each.asset, each.partition] = each.digest
        self._records: dict[str, Record] = {}
        trials = _trial_entries(home)
        self._heads = {entry.digest for entry in trials}
        self._results = {e.result_digest for e in trials if isinstance(e, TrialOutcome)}
        self.receipts: tuple[StageReceipt, ...] = ReceiptBook(home).receipts()
        self._gate_passes = {
            (receipt.decision.candidate_id, receipt.decision.snapshot_id, ref.digest)
            for receipt in self.receipts
            if receipt.decision.stage == _GATE_STAGE and receipt.outcome is Outcome.PASS
            for finding in (*receipt.decision.requires, *receipt.decision.ensures)
            for ref in finding.looked_at
            if ref.name == "gate_report"
        }

    def record(self, model: type[RecordT], digest: str) -> RecordT:
        """Return a record, verified."""
        found = self._records.get(digest)
        if not isinstance(found, model):
            found = model.from_canonical_bytes(self._store.get(digest), location=digest)
            self._records[digest] = found
        return found

    def newest(self, asset: str, partition: str) -> str | None:
        """Return the digest that the ledger last stated for a partition."""
        return self._newest.get((asset, partition))

    def stated(self, asset: str, candidate_id: str) -> tuple[str, ...]:
        """Return the digests that the ledger states for a candidate's sessions, newest first."""
        return tuple(dict.fromkeys(self._of_candidate.get((asset, candidate_id), ())))

    def statement_files(self, digest: str) -> Mapping[str, str] | None:
        """Return the files that a record's statement names; `None` if nobody stated it."""
        return self._files.get(digest)

    def is_intact(self, digest: str) -> bool:
        """Whether an artifact is there, its bytes as its name says."""
        return self._stored.get(digest) == "intact"

    def removal(self, digest: str) -> str | None:
        """Return how to say that a tombstone stands for an artifact; `None` if none does."""
        gone = self._stored.get(digest) == "removed"
        return self._retention.removal_text(digest) if gone else None

    def finished_trial(self, result_digest: str) -> bool:
        """Whether a trial ticket ended with this result."""
        return result_digest in self._results

    def knows_register_head(self, digest: str) -> bool:
        """Whether a digest is that of an entry of the trial register."""
        return digest in self._heads

    def gate_receipt(self, candidate_id: str, snapshot_id: str, report_digest: str) -> bool:
        """Whether a receipt passed the gate's stage by looking at this report."""
        return (candidate_id, snapshot_id, report_digest) in self._gate_passes


def measure_coverage(home: Home, seen: Seen) -> Coverage:
    """Resolve the chain of every order, and look for the evidence of every refusal.

    Raises
    ------
    EvidenceError
        If a register is not whole: nothing can be counted then.
    """
    evidence = HomeEvidence(home, seen)
    resolver = ChainResolver(evidence)
    orders = OrderJournal(home).ledger().orders
    broken: list[BrokenChain] = []
    removed: list[BrokenChain] = []
    for key, order in orders.items():
        last = resolver.links_of(order)[-1]
        if not last.resolves:
            asked = order.request
            chain = BrokenChain(key, asked.candidate_id, asked.session, last)
            (removed if last.is_removed else broken).append(chain)
    refused, lost, gone = _refusals(evidence, seen)
    return Coverage(
        orders=len(orders),
        resolved=len(orders) - len(broken) - len(removed),
        closing=sum(map(is_closing, orders.values())),
        broken=tuple(broken),
        refused=refused,
        kept=refused - len(lost) - len(gone),
        lost=tuple(lost),
        removed=tuple(removed),
        refusals_removed=tuple(gone),
    )


def _refusals(evidence: HomeEvidence, seen: Seen) -> tuple[int, list[str], list[str]]:
    """Count decisions that were no pass, and name those whose evidence is lost, and removed.

    Decisions of a gate are those that the gate's key signed; decisions about a stage are the
    receipts. A gate report is kept if it still says what its statement says.
    """
    refused = 0
    lost: list[str] = []
    gone: list[str] = []
    for entry in seen.entries:
        if entry.statement.predicate.kind != RecordMade.record_kind or entry.kind != "gate-report":
            continue
        made = entry.statement.record(RecordMade, location=f"ledger entry {entry.sequence}")
        if made.verdict == "pass":
            continue
        refused += 1
        if (said := evidence.removal(entry.subjects[RECORD])) is not None:
            gone.append(f"{made.asset}[{made.partition}] of ledger entry {entry.sequence}: {said}")
            continue
        try:
            report = evidence.record(_REPORTS[made.record_kind_made], entry.subjects[RECORD])
            is_kept = report.verdict.value == made.verdict
        except EvidenceError:
            is_kept = False
        if not is_kept:
            lost.append(f"{made.asset}[{made.partition}] of ledger entry {entry.sequence}")
    for receipt in evidence.receipts:
        if receipt.outcome not in _REFUSALS:
            continue
        refused += 1
        findings = (*receipt.decision.requires, *receipt.decision.ensures)
        digests = {ref.digest for finding in findings for ref in finding.looked_at if ref.digest}
        absent = [digest for digest in digests if not evidence.is_intact(digest)]
        named = f"stage receipt {receipt.sequence}"
        if any(evidence.removal(digest) is None for digest in absent):
            lost.append(named)
        elif absent:
            gone.append(f"{named}: {evidence.removal(min(absent))}")
    return refused, lost, gone


def _trial_entries(home: Home) -> tuple[RegisterEntry, ...]:
    """Return the trial register's entries, verified."""
    from torghut_assets.domain.backtest.register_checks import read_register

    file = registers_of(home)["trials"]
    anchor = file.read_anchor()  # before the rows: they may only get more
    return read_register(file.rows_after(0), anchor, location=str(file.path))
