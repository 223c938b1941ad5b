"""Check on cost analyses: the parts of every shortfall tie to paper less actual profit."""

import dagster as dg

from torghut_assets.assets.keys import PAPER_TCA
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.domain.verdicts import Verdict


@dg.asset_check(asset=PAPER_TCA, partitions_def=CANDIDATE_SESSIONS, blocking=True)
def shortfall_ties(paper_tca: PaperTca) -> dg.AssetCheckResult:
    """No order's shortfall has parts that do not add up; what cannot be measured is named."""
    untied = ", ".join(row.symbol for row in paper_tca.untied)
    unmeasured = ", ".join(row.symbol for row in paper_tca.unmeasured)
    return dg.AssetCheckResult(
        passed=paper_tca.verdict is not Verdict.FAIL,
        description=f"{len(paper_tca.orders)} orders; do not tie: {untied or 'none'}; "
        f"not measurable: {unmeasured or 'none'}",
        metadata={"tca_digest": paper_tca.digest},
    )
