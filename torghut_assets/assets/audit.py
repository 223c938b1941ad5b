"""The control evidence map as an asset: what a home holds for each mapped requirement."""

import dagster as dg

from torghut_assets.domain.audit.controls import (
    ControlEvidenceMap,
    evidence_for,
    parse_control_map,
)
from torghut_assets.resources.audit_index import AuditIndex
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger

CONTROL_EVIDENCE_MAP = dg.AssetKey("control_evidence_map")


@dg.asset(
    key=CONTROL_EVIDENCE_MAP,
    group_name="audit",
    io_manager_key="record_io",
    code_version=code_digest("domain/audit", "assets/audit.py", "resources/audit_index.py")[:16],
    kinds={"python"},
    description="Requirements of trading and model-risk rules next to the evidence held here.",
)
def control_evidence_map(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]
) -> dg.Output[ControlEvidenceMap]:
    """Look up the evidence for every requirement of the control map."""
    control_map = parse_control_map(home.config_path("control_map").read_bytes())
    with AuditIndex.opened(home, context.instance, Ledger(home), ()) as index:
        found = evidence_for(control_map, index.count_by_kind(), index.newest_of_kind)
    missing = len(found.not_evidenced)
    return dg.Output(
        found,
        data_version=dg.DataVersion(found.digest),
        metadata={
            "requirements": len(found.found),
            "evidenced": len(found.found) - missing,
            "not_evidenced": missing,
            "disclaimer": found.disclaimer,
        },
    )
