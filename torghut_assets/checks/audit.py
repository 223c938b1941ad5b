"""A check on the regulatory map: it displays what has no evidence, and decides nothing."""

import dagster as dg

from torghut_assets.assets.keys import CONTROL_EVIDENCE_MAP
from torghut_assets.domain.audit.controls import ControlEvidenceMap


@dg.asset_check(asset=CONTROL_EVIDENCE_MAP)
def every_requirement_evidenced(control_evidence_map: ControlEvidenceMap) -> dg.AssetCheckResult:
    """Every requirement of the map has a record that speaks to it; no claim of compliance."""
    missing = control_evidence_map.not_evidenced
    told = f"NOT EVIDENCED: {', '.join(missing)}" if missing else "each has evidence here"
    return dg.AssetCheckResult(
        passed=not missing,
        severity=dg.AssetCheckSeverity.WARN,
        description=told,
        metadata={
            "record_digest": control_evidence_map.digest,
            "disclaimer": control_evidence_map.disclaimer,
        },
    )
