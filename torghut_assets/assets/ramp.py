"""The live ramp: on which level of capital a candidate is after a session, and what it takes.

No order is sent and no capital is moved here. A granted step ends in a deployment manifest.
"""

import dagster as dg

from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.assets.tables import rounded, table
from torghut_assets.domain.gates.paper_records import PaperGateReport
from torghut_assets.domain.identifiers import parse_session_key
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.ramp.policy import RampPolicy, RampStageName
from torghut_assets.domain.ramp.records import RampStage
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.ramp_desk import Presented, RampDesk

_CODE = code_digest("domain/ramp", "domain/evidence", "domain/records.py")[:16]
_BOUND = {"at_least": "≥", "at_most": "≤"}


def _decide(
    context: dg.AssetExecutionContext, desk: RampDesk, stage: RampStageName, given: Presented
) -> dg.MaterializeResult[RampStage]:
    key = parse_session_key(str(context.partition_key))
    record = desk.decide(context.instance, key.session.isoformat(), stage, given)
    grant = record.grant
    return dg.MaterializeResult(
        value=record,
        data_version=dg.DataVersion(record.digest),
        metadata={
            "level": f"{record.level_from} -> {record.level_to}",
            "notional_usd": record.notional_after_usd,
            "granted": record.advanced,
            "sessions_on_level": record.stability.sessions,
            "persons": ", ".join(grant.persons) if grant else "nobody",
            "manifest": grant.manifest_digest if grant else "none",
            "reasons": table({"code": r.code, "what": r.text} for r in record.reasons),
            "refusals": table({"what": text} for text in record.refusals),
            "limits": table(
                {
                    "verdict": limit.verdict.value,
                    "gate": gate.gate_id.partition("_")[0],
                    "measurement": limit.measurement,
                    "measured": rounded(limit.measured, 4),
                    "allowed": f"{_BOUND[limit.bound]} {limit.limit:g}",
                    "unit": limit.unit,
                }
                for gate in record.gates
                for limit in gate.limits
            ),
        },
    )


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name="live_ramp_stage_1",
    owners=["team:governance"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_CODE,
)
def ramp_stage_1(
    context: dg.AssetExecutionContext,
    ramp_desk: dg.ResourceParam[RampDesk],
    paper_deployment: PaperDeployment,
    paper_gate_report: PaperGateReport,
    order_limits: OrderLimits,
    ramp_policy: RampPolicy,
) -> dg.MaterializeResult[RampStage]:
    """The step from paper to the canary level, if it may be taken; else the level as it is."""
    given = Presented(paper_deployment, paper_gate_report, order_limits, ramp_policy)
    return _decide(context, ramp_desk, "live_ramp_stage_1", given)


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name="live_ramp_stage_2_plus",
    owners=["team:governance"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_CODE,
    deps=[dg.AssetKey("ramp_stage_1")],
)
def ramp_stage_2_plus(
    context: dg.AssetExecutionContext,
    ramp_desk: dg.ResourceParam[RampDesk],
    paper_deployment: PaperDeployment,
    paper_gate_report: PaperGateReport,
    order_limits: OrderLimits,
    ramp_policy: RampPolicy,
) -> dg.MaterializeResult[RampStage]:
    """The next step above the canary, if it may be taken; else the level as it is."""
    given = Presented(paper_deployment, paper_gate_report, order_limits, ramp_policy)
    return _decide(context, ramp_desk, "live_ramp_stage_2_plus", given)
