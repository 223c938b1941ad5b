"""Does every order lead back to everything that it rests on?

The chain of an order: the order as recorded, its fills, its transaction costs, the intents and the
deployment that wanted it, the build and specification of the strategy, the gate's decision and the
receipt that took it up, the trials behind it, and every byte of all of these, each stated in the
ledger. Each link is looked up by the digest that the link before names; nothing is searched for
by name but the session's records. Read `ChainResolver.links_of` first.
"""

from collections.abc import Iterable, Mapping
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

    def statement_files(self, digest: str) -> Mapping[str, str] | None:
        """Return the files that a record's statement names; `None` if nobody stated it."""
        ...

    def is_intact(self, digest: str) -> bool:
        """Whether an artifact is there, its bytes as its name says."""
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
    """One step of a chain: whether it resolves, and if not, why."""

    name: str
    resolves: bool
    detail: str


class _BrokenLinkError(Exception):
    """A link does not resolve."""


class ChainResolver:
    """Resolves the chains of orders; what orders share is resolved once."""

    def __init__(self, evidence: ChainEvidence) -> None:
        self._evidence = evidence
        self._deployments: dict[str, tuple[Link, ...]] = {}

    def links_of(self, order: OrderState) -> tuple[Link, ...]:
        """Return the links of an order's chain, up to the first that does not resolve."""
        asked = order.request
        partition = f"{asked.candidate_id}|{asked.session}"
        links: list[Link] = []
        name = "order"
        try:
            recorded = self._newest(PaperOrders, "paper_orders", partition)
            _require(asked.key in {o.key for o in recorded.orders}, "the record leaves it out")
            links.append(_resolved(name, recorded))
            name = "fill"
            fills = self._fills(order, recorded, partition)
            links.append(_resolved(name, fills))
            name = "tca"
            tca = self._newest(PaperTca, "paper_tca", partition)
            _require_same("fills", tca.fills_digest, fills.digest)
            _require_same("orders", tca.orders_digest, recorded.digest)
            _require(asked.key in {o.key for o in tca.orders}, "its costs are not measured")
            links.append(_resolved(name, tca))
            name = "intent"
            intents = self._stated(OrderIntents, recorded.intents_digest)
            _require(asked.key in {i.key for i in intents.intents}, "nobody wanted it")
            links.append(_resolved(name, intents))
            name = "deployment"
            _require_same("deployment", intents.deployment_digest, recorded.deployment_digest)
            links += self._of_deployment(recorded.deployment_digest, asked.candidate_id)
        except (EvidenceError, _BrokenLinkError) as error:
            links.append(Link(name, False, str(error)))  # noqa: FBT003 - it does not resolve
        return tuple(links)

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
            self._deployments[digest] = tuple(self._deployed(digest, candidate_id))
        return self._deployments[digest]

    def _deployed(self, digest: str, candidate_id: str) -> list[Link]:
        links: list[Link] = []
        name = "deployment"
        try:
            deployment = self._stated(PaperDeployment, digest)
            _require_same("candidate", deployment.candidate_id, candidate_id)
            links.append(_resolved(name, deployment))
            name = "strategy"
            build = self._stated(StrategyBuild, deployment.strategy_build_digest)
            self._stated(CandidateSpec, deployment.candidate_spec_digest)
            links.append(_resolved(name, build))
            name = "gate"
            report = self._passed(deployment)
            links.append(_resolved(name, report))
            name = "trials"
            self._tried(deployment, report)
            links.append(_resolved(name, report))
            name = "bytes"
            inputs = (ref.digest for ref in report.inputs)
            self._whole((*inputs, *deployment.policies.values()))
            links.append(_resolved(name, deployment))
        except (EvidenceError, _BrokenLinkError) as error:
            links.append(Link(name, False, str(error)))  # noqa: FBT003 - it does not resolve
        return links

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

    def _tried(self, deployment: PaperDeployment, report: GateReport) -> None:
        """Require the trial that made the metrics, and the count that the gate looked at."""
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

    def _newest(self, model: type[RecordT], asset: str, partition: str) -> RecordT:
        digest = self._evidence.newest(asset, partition)
        if digest is None:
            raise _BrokenLinkError(f"no statement about {asset}[{partition}]")
        return self._stated(model, digest)

    def _stated(self, model: type[RecordT], digest: str) -> RecordT:
        """Return a record that is stated, with all its files."""
        record = self._evidence.record(model, digest)
        self._whole((digest,))
        return record

    def _whole(self, digests: Iterable[str | None]) -> None:
        """Require records to be stated, and their bytes and files to be there."""
        for digest in digests:
            _require(digest is not None, "an input was missing")
            files = self._evidence.statement_files(digest or "")
            if files is None:
                raise _BrokenLinkError(f"no statement about {digest}")
            for name, one in {"the record": digest or "", **files}.items():
                _require(self._evidence.is_intact(one), f"{name} {one} is missing or altered")


def _resolved(name: str, record: Record) -> Link:
    return Link(name, True, record.digest)  # noqa: FBT003 - it resolves


def _require(holds: bool, problem: str) -> None:  # noqa: FBT001 - a condition
    if not holds:
        raise _BrokenLinkError(problem)


def _require_same(what: str, found: str, expected: str) -> None:
    _require(found == expected, f"{what} {found}, expected {expected}")
