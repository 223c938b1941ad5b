"""Checks on the ramp: they display what stands before the next step, and decide nothing."""

import dagster as dg

from torghut_assets.assets.keys import RAMP_STAGE_1, RAMP_STAGE_2_PLUS
from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.domain.ramp.records import RampStage


def _shown(record: RampStage) -> dg.AssetCheckResult:
    reasons = [f"{reason.code} {reason.text}" for reason in record.reasons]
    told = "; ".join([*record.refusals, *reasons]) or "nothing stands before it"
    return dg.AssetCheckResult(
        passed=record.advanced,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{record.level_from} -> {record.level_to}: {told}",
        metadata={"record_digest": record.digest},
    )


@dg.asset_check(asset=RAMP_STAGE_1, partitions_def=CANDIDATE_SESSIONS)
def ramp_stage_1_granted(ramp_stage_1: RampStage) -> dg.AssetCheckResult:
    """The canary level was granted in this session; what is missing is no failure."""
    return _shown(ramp_stage_1)


@dg.asset_check(asset=RAMP_STAGE_2_PLUS, partitions_def=CANDIDATE_SESSIONS)
def ramp_stage_2_plus_granted(ramp_stage_2_plus: RampStage) -> dg.AssetCheckResult:
    """A higher level was granted in this session; what is missing is no failure."""
    return _shown(ramp_stage_2_plus)
