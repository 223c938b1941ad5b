"""Check on rollback receipts: it displays what was read back, and decides nothing."""

import dagster as dg

from torghut_assets.assets.keys import ROLLBACK_RECEIPT
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.domain.rollback.records import RollbackReceipt
from torghut_assets.domain.verdicts import Verdict


@dg.asset_check(asset=ROLLBACK_RECEIPT, partitions_def=CANDIDATE_SESSIONS)
def read_back_matches(rollback_receipt: RollbackReceipt) -> dg.AssetCheckResult:
    """The broker, asked after the rollback, holds what the plan wanted and nothing is open."""
    wrong = [*rollback_receipt.differences, *rollback_receipt.problems]
    return dg.AssetCheckResult(
        passed=rollback_receipt.verdict is Verdict.PASS,
        description=f"{rollback_receipt.state}: {'; '.join(wrong[:8]) or 'read back as planned'}",
        metadata={"receipt_digest": rollback_receipt.digest},
    )
