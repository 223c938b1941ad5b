"""Every kind of record that decides something, and the function that decides it again."""

from collections.abc import Callable
from typing import Any, Final

from torghut_assets.domain.audit.redecide import redecide_gate, redecide_paper_gate
from torghut_assets.domain.audit.redecide_ramp import redecide_ramp
from torghut_assets.domain.audit.redecide_trading import (
    redecide_drift,
    redecide_incident,
    redecide_rollback,
)
from torghut_assets.domain.audit.redecided import Records, Redecided
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.ramp.records import RampStage
from torghut_assets.domain.records import Record
from torghut_assets.domain.rollback.records import IncidentReport, RollbackPlan

DECISIONS: Final[tuple[tuple[type[Record], Callable[[Any, Records], Redecided]], ...]] = (
    (GateReport, redecide_gate),
    (PaperGateReport, redecide_paper_gate),
    (RampStage, redecide_ramp),
    (DriftReport, redecide_drift),
    (RollbackPlan, redecide_rollback),
    (IncidentReport, redecide_incident),
)
"""Trial counts need the register besides, and approvals the ledger: see `redecide`."""
