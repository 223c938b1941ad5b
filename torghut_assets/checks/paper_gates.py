"""Check on gate 3 reports: it displays the verdict, and decides nothing."""

import dagster as dg

from torghut_assets.assets.keys import PAPER_GATE_REPORT
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.verdicts import Verdict


@dg.asset_check(asset=PAPER_GATE_REPORT, partitions_def=CANDIDATE_SESSIONS)
def gate3(paper_gate_report: PaperGateReport) -> dg.AssetCheckResult:
    """Paper trading has shown enough, and all of it within the limits."""
    report = paper_gate_report
    reasons = "; ".join(reason.text for reason in report.reasons)
    return dg.AssetCheckResult(
        passed=report.verdict is Verdict.PASS,
        severity=dg.AssetCheckSeverity.ERROR
        if report.verdict is Verdict.FAIL
        else dg.AssetCheckSeverity.WARN,
        description=f"{report.verdict.value}, {report.next_action}: {reasons or 'all kept'}",
        metadata={"report_digest": report.digest},
    )
