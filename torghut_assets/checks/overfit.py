"""Check on overfitting diagnostics: their trials are those of an intact register."""

import dagster as dg

from torghut_assets.assets.keys import OVERFIT_DIAGNOSTICS
from torghut_assets.assets.partitions import EVALUATIONS
from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.backtest.register_checks import TrialRegisterBrokenError
from torghut_assets.domain.backtest.trial_claims import check_diagnostics
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.resources.evaluation_desk import EvaluationDesk
from torghut_assets.resources.home import Home


@dg.asset_check(asset=OVERFIT_DIAGNOSTICS, partitions_def=EVALUATIONS, blocking=True)
def trials_counted(
    home: dg.ResourceParam[Home],
    desk: dg.ResourceParam[EvaluationDesk],
    overfit_diagnostics: OverfitDiagnostics,
) -> dg.AssetCheckResult:
    """The register is intact, counts the same N again, and at least the grid's points."""
    record = overfit_diagnostics
    metrics = BacktestMetrics.from_canonical_bytes(
        home.store.get(record.backtest_digest), location=f"backtest of {record.subject}"
    )
    policy = TrialPolicy.from_canonical_bytes(
        home.store.get(record.inputs.trial_policy_digest), location="trial policy"
    )
    counted, tried = record.trials_raw, metrics.grid_points
    problems = [f"N = {counted} is below the {tried} grid points"] if counted < tried else []
    try:
        entries = desk.register(policy).entries()
    except TrialRegisterBrokenError as error:
        problems.append(str(error))
    else:
        if finding := check_diagnostics(entries, record, {policy.digest: policy}):
            problems.append(finding.detail)
    return dg.AssetCheckResult(
        passed=not problems,
        description="; ".join(problems) or f"N = {counted}, {tried} of them in this grid",
        metadata={"register_head": record.trial_register_head},
    )
