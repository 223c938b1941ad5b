"""What a ramp decision may look at. `None` means that it is missing or could not be read."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment, PaperFills
from torghut_assets.domain.ramp.approving import Approvals
from torghut_assets.domain.ramp.drills import DrillReport, RunbookExecution
from torghut_assets.domain.ramp.policy import RampStageName
from torghut_assets.domain.ramp.records import RampGrant, RampRequest


@dataclass(frozen=True)
class Operations:
    """Whether the house is in order, as it was found when it was looked at.

    Attributes
    ----------
    drills : tuple of DrillReport or None
        From the ledger, in its order; `None` if the ledger cannot be read.
    runbooks : tuple of RunbookExecution or None
        Signed by persons whose keys count, in the order of the ledger.
    journal_faults, ledger_faults : tuple of str or None
        What verifying found; `None` if nobody verified.
    """

    drills: tuple[DrillReport, ...] | None = None
    runbooks: tuple[RunbookExecution, ...] | None = None
    journal_faults: tuple[str, ...] | None = None
    ledger_faults: tuple[str, ...] | None = None


@dataclass(frozen=True)
class RampEvidence:
    """Everything behind one ramp decision.

    Attributes
    ----------
    candidate_id, session, stage : str
        What is being decided.
    now : datetime
        When; ages of drills are measured to it, and approvals expire by it.
    sessions : tuple of str
        Every session of the exchange from the deployment's first through its newest.
    drift : mapping of str to DriftReport
        Sound reports by session.
    fills : mapping of str to PaperFills
        Sound fills of the deployment by session.
    grants : tuple of RampGrant or None
        Of this deployment, in the order of the ledger.
    in_force : mapping of str to str or None
        Digests of code and settings as they are now, by the names of the deployment.
    unresolved : tuple of str or None
        Digests in the chain of evidence that the store does not have, or not intact.
    """

    candidate_id: str
    session: str
    stage: RampStageName
    now: dt.datetime
    authors: tuple[str, ...] = ()
    deployment: PaperDeployment | None = None
    gate_report: GateReport | None = None
    paper_gate_report: PaperGateReport | None = None
    order_limits: OrderLimits | None = None
    sessions: tuple[str, ...] = ()
    drift: Mapping[str, DriftReport] = field(default_factory=dict)
    fills: Mapping[str, PaperFills] = field(default_factory=dict)
    grants: tuple[RampGrant, ...] | None = None
    in_force: Mapping[str, str] | None = None
    unresolved: tuple[str, ...] | None = None
    operations: Operations = field(default_factory=Operations)


@dataclass(frozen=True)
class RampCase:
    """One step that is asked for: the evidence, the request and who approved it.

    `request` is `None` if no sound request can be made, and `refusals` say why; `approvals` is
    `None` if the ledger cannot be read. `reviewed_instead` holds what persons approved for the
    same step if nobody approved this request.
    """

    evidence: RampEvidence
    request: RampRequest | None
    refusals: tuple[str, ...] = ()
    approvals: Approvals | None = None
    reviewed_instead: tuple[RampRequest, ...] = ()
