"""Check on gate reports: it displays the verdict, and decides nothing."""

import dagster as dg

from torghut_assets.assets.keys import GATE_REPORT
from torghut_assets.assets.partitions import EVALUATIONS
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.verdicts import Verdict


@dg.asset_check(asset=GATE_REPORT, partitions_def=EVALUATIONS)
def gate_decision(gate_report: GateReport) -> dg.AssetCheckResult:
    """Every gate of the policy passed for this candidate on this snapshot."""
    failed = [gate.gate_id for gate in gate_report.gates if gate.status is not Verdict.PASS]
    return dg.AssetCheckResult(
        passed=gate_report.verdict is Verdict.PASS,
        description=f"gates not passed: {', '.join(failed) or 'none'}",
        metadata={"report_digest": gate_report.digest},
    )
