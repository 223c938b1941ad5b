"""Checks on strategy builds: the plugin keeps its contract and does not look ahead."""

import dagster as dg

from torghut_assets.assets.keys import STRATEGY_BUILD
from torghut_assets.assets.partitions import CANDIDATES
from torghut_assets.domain.candidates.conformance import LOOK_AHEAD_TESTS
from torghut_assets.domain.candidates.records import StrategyBuild
from torghut_assets.domain.verdicts import Verdict


def _result(build: StrategyBuild, *, look_ahead: bool) -> dg.AssetCheckResult:
    shown = [r for r in build.results if (r.test in LOOK_AHEAD_TESTS) == look_ahead]
    failed = [r for r in shown if r.verdict is not Verdict.PASS]
    return dg.AssetCheckResult(
        passed=bool(shown) and not failed,
        description="; ".join(f"{r.test}: {r.detail}" for r in failed)
        or f"{len(shown)} tests passed",
        metadata={"build_digest": build.digest, "tests": str(len(shown))},
    )


@dg.asset_check(asset=STRATEGY_BUILD, partitions_def=CANDIDATES, blocking=True)
def conformance(strategy_build: StrategyBuild) -> dg.AssetCheckResult:
    """The plugin keeps the strategy contract: determinism, warm-up, limits, missing bars."""
    return _result(strategy_build, look_ahead=False)


@dg.asset_check(asset=STRATEGY_BUILD, partitions_def=CANDIDATES, blocking=True)
def no_look_ahead(strategy_build: StrategyBuild) -> dg.AssetCheckResult:
    """No weight changes when the bars after it are cut off or altered."""
    return _result(strategy_build, look_ahead=True)
