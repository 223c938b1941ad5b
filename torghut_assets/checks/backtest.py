"""Checks on evaluations: folds complete, stress bites, the second computation agrees."""

import dagster as dg

from torghut_assets.assets.keys import (
    BACKTEST_METRICS,
    REPRODUCIBILITY_MANIFEST,
    STRESS_METRICS,
)
from torghut_assets.assets.partitions import EVALUATIONS
from torghut_assets.domain.backtest.folds import incomplete_folds
from torghut_assets.domain.backtest.records import (
    BacktestMetrics,
    ReproducibilityManifest,
    StressMetrics,
)
from torghut_assets.domain.verdicts import Verdict


@dg.asset_check(asset=BACKTEST_METRICS, partitions_def=EVALUATIONS, blocking=True)
def folds_complete(backtest_metrics: BacktestMetrics) -> dg.AssetCheckResult:
    """Every walk-forward fold is whole, purged and in order."""
    faults = incomplete_folds(backtest_metrics.folds, backtest_metrics.settings)
    return dg.AssetCheckResult(
        passed=not faults,
        description="; ".join(faults) or f"{len(backtest_metrics.folds)} folds",
        metadata={"metrics_digest": backtest_metrics.digest},
    )


@dg.asset_check(asset=STRESS_METRICS, partitions_def=EVALUATIONS, blocking=True)
def stress_differs_from_base(stress_metrics: StressMetrics) -> dg.AssetCheckResult:
    """No stress scenario left the result as it was."""
    equal = stress_metrics.equal_to_base
    return dg.AssetCheckResult(
        passed=not equal,
        description=f"equal to the base: {', '.join(equal) or 'none'}",
        metadata={"stress_digest": stress_metrics.digest},
    )


@dg.asset_check(asset=REPRODUCIBILITY_MANIFEST, partitions_def=EVALUATIONS, blocking=True)
def computed_twice_alike(
    reproducibility_manifest: ReproducibilityManifest,
) -> dg.AssetCheckResult:
    """Every output had the same digest when it was computed a second time."""
    manifest = reproducibility_manifest
    changed = [o.output for o in manifest.outputs if o.first_digest != o.second_digest]
    return dg.AssetCheckResult(
        passed=manifest.verdict is Verdict.PASS,
        description=f"changed: {', '.join(changed) or 'none'} of {len(manifest.outputs)}",
        metadata={"manifest_digest": manifest.digest},
    )
