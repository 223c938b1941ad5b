"""Does every order lead back to everything that it rests on?

The chain of an order: the order as recorded, its fills, its transaction costs, the intents and the
deployment that wanted it, the build and specification of the strategy, the gate's decision and the
receipt that took it up, the trials behind it, and every byte of all of these, each stated in the
ledger. Each link is looked up by the digest that the link before names; nothing is searched for
by name but the session's records. Read `ChainResolver.links_of` first.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, Protocol, TypeVar

from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import BacktestMetrics, TargetWeights
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.journal import OrderState
from torghut_assets.domain.orders.records import (
    OrderIntents,
    PaperDeployment,
    PaperFills,
    PaperOrders,
)
from torghut_assets.domain.records import Record
from torghut_assets.domain.rollback.records import RollbackPlan, RollbackReceipt
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.domain.verdicts import Verdict

RecordT = TypeVar("RecordT", bound=Record)


class ChainEvidence(Protocol):
    """Where the links are looked up, all of it verified."""

    def record(self, model: type[RecordT], digest: str) -> RecordT:
        """Return a record.

        Raises
        ------
        EvidenceError
            If its bytes are missing or altered, or it is another record.
        """
        ...

    def newest(self, asset: str, partition: str) -> str | None:
        """Return the digest that the ledger last stated for a partition."""
        ...

    def stated(self, asset: str, candidate_id: str) -> tuple[str, ...]:
        """Return the digests that the ledger states for a candidate's sessions, newest first."""
        ...

    def statement_files(self, digest: str) -> Mapping[str, str] | None:
        """Return the files that a record's statement names; `None` if nobody stated it."""
        ...

    def is_intact(self, digest: str) -> bool:
        """Whether an artifact is there, its bytes as its name says."""
        ...

    def removal(self, digest: str) -> str | None:
        """Return how to say that a tombstone stands for an artifact; `None` if none does."""
        ...

    def finished_trial(self, result_digest: str) -> bool:
        """Whether a trial ticket ended with this result."""
        ...

    def knows_register_head(self, digest: str) -> bool:
        """Whether a digest is that of an entry of the trial register."""
        ...

    def gate_receipt(self, candidate_id: str, snapshot_id: str, report_digest: str) -> bool:
        """Whether a receipt passed the gate's stage by looking at this report."""
        ...


class Link(NamedTuple):
    """One step of a chain: whether it resolves, and if not, why.

    `is_removed`: what it leads to was removed under retention, provably; nothing is missing.
    """

    name: str
    resolves: bool
    detail: str
    is_removed: bool = False


class _BrokenLinkError(Exception):
    """A link does not resolve."""


class _RemovedLinkError(Exception):
    """A link leads to what a tombstone stands for."""


class ChainResolver:
    """Resolves the chains of orders; what orders share is resolved once."""

    def __init__(self, evidence: ChainEvidence) -> None:
        self._evidence = evidence
        self._deployments: dict[str, tuple[Link, ...]] = {}

    def links_of(self, order: OrderState) -> tuple[Link, ...]:
        """Return the links of an order's chain, up to the first that does not resolve."""
        steps = self._of_rollback(order) if is_closing(order) else self._of_session(order)
        return _walked(steps, "order")

    def _of_session(self, order: OrderState) -> Iterator[Link | str]:
        """Yield the name of each step, then its link: an order that a session's intents want."""
        asked = order.request
        partition = f"{asked.candidate_id}|{asked.session}"
        recorded = self._newest(PaperOrders, "paper_orders", partition)
        _require(asked.key in {o.key for o in recorded.orders}, "the record leaves it out")
        yield _resolved("order", recorded)
        yield "fill"
        fills = self._fills(order, recorded, partition)
        yield _resolved("fill", fills)
        yield "tca"
        tca = self._newest(PaperTca, "paper_tca", partition)
        _require_same("fills", tca.fills_digest, fills.digest)
        _require_same("orders", tca.orders_digest, recorded.digest)
        _require(asked.key in {o.key for o in tca.orders}, "its costs are not measured")
        yield _resolved("tca", tca)
        yield "intent"
        intents = self._stated(OrderIntents, recorded.intents_digest)
        _require(asked.key in {i.key for i in intents.intents}, "nobody wanted it")
        yield _resolved("intent", intents)
        yield "deployment"
        _require_same("deployment", intents.deployment_digest, asked.deployment_digest)
        _require_same("deployment", recorded.deployment_digest, asked.deployment_digest)
        yield from self._of_deployment(asked.deployment_digest, asked.candidate_id)

    def _of_rollback(self, order: OrderState) -> Iterator[Link | str]:
        """Yield the same for an order that closes a position in a rollback."""
        asked = order.request
        receipts = (
            self._stated(RollbackReceipt, digest)
            for digest in self._evidence.stated("rollback_receipt", asked.candidate_id)
        )
        receipt = next((r for r in receipts if asked.key in {o.key for o in r.orders}), None)
        if receipt is None:
            raise _BrokenLinkError("no rollback's receipt names it")
        yield _resolved("order", receipt)
        yield "fill"
        end = next(o for o in receipt.orders if o.key == asked.key)
        _require_same("status", end.status, order.status)
        _require_same("filled shares", str(end.filled), str(order.filled))
        yield _resolved("fill", receipt)
        yield "rollback"
        plan = self._stated(RollbackPlan, receipt.plan_digest)
        _require_same("deployment", plan.deployment_digest, asked.deployment_digest)
        yield _resolved("rollback", plan)
        yield "deployment"
        yield from self._of_deployment(asked.deployment_digest, asked.candidate_id)

    def _fills(self, order: OrderState, recorded: PaperOrders, partition: str) -> PaperFills:
        fills = self._newest(PaperFills, "paper_fills", partition)
        _require_same("orders", fills.orders_digest, recorded.digest)
        found = {o.key: o.status for o in fills.orders}.get(order.request.key)
        _require_same("status", str(found), order.status)
        shares = sum(fill.quantity for fill in fills.fills if fill.key == order.request.key)
        _require_same("filled shares", str(shares), str(order.filled))
        return fills

    def _of_deployment(self, digest: str, candidate_id: str) -> tuple[Link, ...]:
        if digest not in self._deployments:
            steps = self._deployed(digest, candidate_id)
            self._deployments[digest] = _walked(steps, "deployment")
        return self._deployments[digest]

    def _deployed(self, digest: str, candidate_id: str) -> Iterator[Link | str]:
        deployment = self._stated(PaperDeployment, digest)
        _require_same("candidate", deployment.candidate_id, candidate_id)
        yield _resolved("deployment", deployment)
        yield "strategy"
        build = self._stated(StrategyBuild, deployment.strategy_build_digest)
        self._stated(CandidateSpec, deployment.candidate_spec_digest)
        yield _resolved("strategy", build)
        yield "gate"
        report = self._passed(deployment)
        yield _resolved("gate", report)
        yield "trials"
        yield _resolved("trials", self._tried(deployment, report))
        yield "bytes"
        inputs = (ref.digest for ref in report.inputs)
        self._whole((*inputs, *deployment.policies.values()))
        yield _resolved("bytes", deployment)

    def _passed(self, deployment: PaperDeployment) -> GateReport:
        """Return the decision that a deployment rests on, and that a receipt took up."""
        report = self._stated(GateReport, deployment.gate_report_digest)
        subject = f"{deployment.candidate_id}|{deployment.snapshot_id}"
        _require_same("gate report", report.subject, subject)
        _require(report.verdict is Verdict.PASS, f"the gate said {report.verdict.value}")
        _require(
            self._evidence.gate_receipt(
                deployment.candidate_id, deployment.snapshot_id, report.digest
            ),
            f"no receipt passed the gate on {report.digest}",
        )
        return report

    def _tried(self, deployment: PaperDeployment, report: GateReport) -> OverfitDiagnostics:
        """Return the trials as the gate saw them counted; require the tickets behind them."""
        inputs = {ref.name: ref.digest or "" for ref in report.inputs}
        metrics = self._stated(BacktestMetrics, deployment.backtest_metrics_digest)
        _require_same("metrics", inputs.get("backtest_metrics", "none"), metrics.digest)
        weights = self._stated(TargetWeights, deployment.target_weights_digest)
        _require_same("weights", metrics.target_weights_digest, weights.digest)
        for made in (metrics, weights):
            ended = self._evidence.finished_trial(made.digest)
            _require(ended, f"no trial ticket ended with {made.record_kind} {made.digest}")
        counted = self._stated(OverfitDiagnostics, inputs.get("overfit_diagnostics", ""))
        _require(
            self._evidence.knows_register_head(counted.trial_register_head),
            f"the trials were counted at {counted.trial_register_head}, which nobody wrote",
        )
        return counted

    def _newest(self, model: type[RecordT], asset: str, partition: str) -> RecordT:
        digest = self._evidence.newest(asset, partition)
        if digest is None:
            raise _BrokenLinkError(f"no statement about {asset}[{partition}]")
        return self._stated(model, digest)

    def _stated(self, model: type[RecordT], digest: str) -> RecordT:
        """Return a record that is stated, with all its files."""
        self._require_not_removed(digest)
        record = self._evidence.record(model, digest)
        self._whole((digest,))
        return record

    def _require_not_removed(self, digest: str) -> None:
        if (said := self._evidence.removal(digest)) is not None:
            raise _RemovedLinkError(f"{digest} {said}")

    def _whole(self, digests: Iterable[str | None]) -> None:
        """Require records to be stated, and their bytes and files to be there."""
        for digest in digests:
            _require(digest is not None, "an input was missing")
            files = self._evidence.statement_files(digest or "")
            if files is None:
                raise _BrokenLinkError(f"no statement about {digest}")
            for name, one in {"the record": digest or "", **files}.items():
                self._require_not_removed(one)
                _require(self._evidence.is_intact(one), f"{name} {one} is missing or altered")


def is_closing(order: OrderState) -> bool:
    """Whether a rollback sent the order to close a position."""
    return order.request.purpose == "flatten"


def _walked(steps: Iterator[Link | str], first: str) -> tuple[Link, ...]:
    """Return the links of the steps; the one that fails is the last and says why."""
    links: list[Link] = []
    name = first
    try:
        for step in steps:
            if isinstance(step, str):
                name = step
            else:
                links.append(step)
    except (EvidenceError, _BrokenLinkError) as error:
        links.append(Link(name, resolves=False, detail=str(error)))
    except _RemovedLinkError as error:
        links.append(Link(name, resolves=False, detail=str(error), is_removed=True))
    return tuple(links)


def _resolved(name: str, record: Record) -> Link:
    return Link(name, resolves=True, detail=record.digest)


def _require(holds: bool, problem: str) -> None:
    if not holds:
        raise _BrokenLinkError(problem)


def _require_same(what: str, found: str, expected: str) -> None:
    _require(found == expected, f"{what} {found}, expected {expected}")
