"""Check on drift reports: it displays the verdict, and decides nothing."""

import dagster as dg

from torghut_assets.assets.keys import DRIFT_REPORT
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.verdicts import Verdict


@dg.asset_check(asset=DRIFT_REPORT, partitions_def=CANDIDATE_SESSIONS)
def drift_within_limits(drift_report: DriftReport) -> dg.AssetCheckResult:
    """No reading of the session is beyond the limit at which the candidate is rolled back."""
    return dg.AssetCheckResult(
        passed=drift_report.verdict is Verdict.PASS,
        description="; ".join(drift_report.reasons[:8]) or "every reading within its limits",
        metadata={"report_digest": drift_report.digest, "level": drift_report.level.value},
    )
