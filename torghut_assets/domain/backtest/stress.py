"""Run the stress scenarios: the same weights and the same account, in a harsher world."""

from dataclasses import dataclass

from torghut_assets.domain.backtest.accounting import AccountPath, simulate
from torghut_assets.domain.backtest.metrics import path_metrics, returns_digest
from torghut_assets.domain.backtest.records import (
    EvaluationInputs,
    PathMetrics,
    StressMetrics,
    StressResult,
)
from torghut_assets.domain.backtest.scenarios import SCENARIOS, Scenario, Setting
from torghut_assets.domain.backtest.walk_forward_run import WalkForwardRun
from torghut_assets.domain.records import Digest


@dataclass(frozen=True)
class StressOutcome:
    """One scenario and the path that the stitched weights took through it."""

    scenario: Scenario
    path: AccountPath


def run_stress(run: WalkForwardRun) -> tuple[StressOutcome, ...]:
    """Simulate the out-of-sample weights of a run again under every scenario."""
    base = Setting(
        conditions=run.conditions,
        rules=run.rules,
        observed=run.market.observed,
        first_bar=run.out_of_sample[0],
        stress=run.plan.settings.stress,
        seed=run.plan.settings.seed,
    )
    outcomes = []
    for build in SCENARIOS.values():
        scenario = build(base)
        path = simulate(
            run.stitched_weights, scenario.conditions, scenario.rules, run.out_of_sample
        )
        outcomes.append(StressOutcome(scenario=scenario, path=path))
    return tuple(outcomes)


def stress_metrics(
    run: WalkForwardRun, inputs: EvaluationInputs, backtest_digest: Digest
) -> StressMetrics:
    """Run every scenario and put each next to the base path.

    A scenario whose returns equal the base's is kept and named by
    `StressMetrics.equal_to_base`: it did not bite, which is a defect, not a good result.
    """
    window = run.out_of_sample
    periods = run.plan.settings.periods_per_year
    base = path_metrics(run.stitched, window, periods)
    results = []
    for outcome in run_stress(run):
        path = path_metrics(outcome.path, window, periods)
        net = outcome.path.net_return[slice(*window)]
        results.append(
            StressResult(
                scenario=outcome.scenario.name,
                change=outcome.scenario.change,
                path=path,
                returns_digest=returns_digest(net),
                sharpe_change=_sharpe_change(path, base),
                return_change_fraction=path.total_return_fraction - base.total_return_fraction,
                mean_return_per_bar=float(net.mean()),
            )
        )
    return StressMetrics(
        inputs=inputs,
        backtest_digest=backtest_digest,
        base=base,
        base_returns_digest=returns_digest(run.stitched.net_return[slice(*window)]),
        results=tuple(results),
    )


def _sharpe_change(path: PathMetrics, base: PathMetrics) -> float | None:
    if path.sharpe_annual is None or base.sharpe_annual is None:
        return None
    return path.sharpe_annual - base.sharpe_annual
