"""Drift reports: after every session, whether a candidate still behaves as its evidence says."""

import dagster as dg

from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.assets.tables import rounded, table
from torghut_assets.domain.backtest.records import RiskLimits
from torghut_assets.domain.drift.evaluate import evaluate_drift
from torghut_assets.domain.drift.policy import DriftPolicy
from torghut_assets.domain.drift.records import SEVERITY, DriftReport
from torghut_assets.domain.identifiers import parse_session_key
from torghut_assets.domain.orders.records import OrderIntents, PaperDeployment, PaperFills
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.drift_desk import DriftDesk, Standards
from torghut_assets.version import __version__

_DRIFT_CODE = code_digest("domain/drift", "domain/records.py", "domain/digests.py")
CODE_VERSION = f"{__version__}+{_DRIFT_CODE[:12]}"
"""Version and code digest that a report names as having decided."""


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name="continuous_monitoring",
    owners=["team:governance"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_DRIFT_CODE[:16],
)
def drift_report(
    context: dg.AssetExecutionContext,
    drift_desk: dg.ResourceParam[DriftDesk],
    paper_deployment: PaperDeployment,
    order_intents: OrderIntents,
    paper_fills: PaperFills,
    paper_tca: PaperTca,
    drift_policy: DriftPolicy,
    risk_limits: RiskLimits,
) -> dg.MaterializeResult[DriftReport]:
    """Data, model, execution, performance and risk of a session, next to their limits."""
    key = parse_session_key(str(context.partition_key))
    standards = Standards(drift_policy, risk_limits)
    evidence = drift_desk.evidence(
        context.instance, paper_deployment, key.session.isoformat(), standards
    )
    report = evaluate_drift(evidence, drift_policy, code_version=CODE_VERSION)
    return dg.MaterializeResult(
        value=report,
        data_version=dg.DataVersion(report.digest),
        metadata={
            "verdict": report.verdict.value,
            "level": report.level.value,
            "advance": report.advance_verdict.value,
            "gate7_uncertainty": report.gate7_uncertainty.value,
            "sessions": len(report.window),
            "readings": table(
                {
                    "level": reading.level.value,
                    "measurement": reading.measurement,
                    "measured": rounded(reading.measured, 4),
                    "unit": reading.unit,
                    "fail": rounded(reading.fail, 4),
                    "detail": reading.detail,
                }
                for reading in sorted(report.readings, key=lambda r: -SEVERITY.index(r.level))
            ),
            "session_return_fraction": paper_fills.net_return_fraction,
            "orders": len(order_intents.intents),
            "orders_measured": len(paper_tca.orders),
        },
    )
