"""Gate 3: what paper trading has shown since deployment, next to its limits."""

import dagster as dg

from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.assets.tables import rounded, table
from torghut_assets.domain.gates.paper_evaluate import evaluate_paper_gate
from torghut_assets.domain.gates.paper_policy import PaperGatePolicy
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.paper_gate_desk import PaperGateDesk
from torghut_assets.version import __version__

_GATE_CODE = code_digest("domain/gates", "domain/tca", "domain/records.py", "domain/digests.py")
CODE_VERSION = f"{__version__}+{_GATE_CODE[:12]}"
"""Version and code digest that a report names as having decided."""

_BOUND = {"at_least": "≥", "at_most": "≤"}
_ORDER = (Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.PASS)


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name="shadow_paper_deployment",
    owners=["team:governance"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_GATE_CODE[:16],
)
def paper_gate_report(
    context: dg.AssetExecutionContext,
    paper_gate_desk: dg.ResourceParam[PaperGateDesk],
    paper_deployment: PaperDeployment,
    paper_tca: PaperTca,
    paper_gate_policy: PaperGatePolicy,
) -> dg.MaterializeResult[PaperGateReport]:
    """Gate 3 over the window since deployment: costs, order quality, champion, by regime."""
    evidence = paper_gate_desk.evidence(
        context.instance, paper_deployment, paper_tca, paper_gate_policy
    )
    report = evaluate_paper_gate(evidence, paper_gate_policy, code_version=CODE_VERSION)
    return dg.MaterializeResult(
        value=report,
        data_version=dg.DataVersion(report.digest),
        metadata={
            "verdict": report.verdict.value,
            "next_action": report.next_action,
            "sessions": len(report.window),
            "reference": report.champion_id or report.reference,
            "limits": table(
                {
                    "verdict": limit.verdict.value,
                    "measurement": limit.measurement,
                    "measured": rounded(limit.measured, 4),
                    "low": rounded(limit.low, 4),
                    "high": rounded(limit.high, 4),
                    "allowed": f"{_BOUND[limit.bound]} {limit.limit:g}",
                    "unit": limit.unit,
                }
                for limit in sorted(report.limits, key=lambda item: _ORDER.index(item.verdict))
            ),
            "reasons": table(
                {"code": reason.code, "what": reason.text} for reason in report.reasons
            ),
            "regimes": table(
                {
                    "regime": item.regime,
                    "sessions": item.sessions,
                    "challenger": rounded(item.challenger_annual),
                    "reference": rounded(item.reference_annual),
                    "difference": rounded(item.difference_annual),
                    "low": rounded(item.low_annual),
                    "high": rounded(item.high_annual),
                }
                for item in report.regimes
            ),
        },
    )
