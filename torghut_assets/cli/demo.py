"""The main job on real data: evaluate, decide, trade on paper, take back what drifts."""

import math
from importlib.resources import files
from typing import TYPE_CHECKING

import click

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.screen import bar, say
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    from torghut_assets.domain.backtest.records import BacktestMetrics
    from torghut_assets.domain.gates.records import GateReport

DEMO_SNAPSHOT = "us-megacaps@2021-12-31"
_THROUGH = "research_feedback"
FIRST_SESSION, LAST_SESSION = "2022-01-03", "2022-01-24"


@click.command()
def demo() -> None:
    """Evaluate the example candidates on embedded real data, and trade on paper what passed.

    Paper trading runs through the first weeks of 2022, a real decline, on the replay broker:
    what drifts is rolled back.

    State goes to TORGHUT_HOME (default: .torghut). Running it again reuses what is there.

    Exit status: 0 done, whatever the gates decided; 3 evidence missing or altered.
    """
    from torghut_assets.cli.candidate import submit
    from torghut_assets.cli.run import evaluate
    from torghut_assets.cli.snapshot import register
    from torghut_assets.domain.identifiers import parse_snapshot_id

    home = Home.from_environment()
    examples = sorted(
        (
            item
            for item in files("torghut_assets.candidates").iterdir()
            if item.name[-5:] == ".yaml"
        ),
        key=lambda item: item.name,
    )
    click.echo(f"home      {home.root}")
    candidates = [submit(home, item.read_bytes(), item.name)[0] for item in examples]
    register(home, parse_snapshot_id(DEMO_SNAPSHOT))
    click.echo(f"snapshot  {DEMO_SNAPSHOT}: six US megacaps, daily bars since 2013")
    click.echo(
        "          chosen in hindsight (survivorship bias): a demonstration, not a track record"
    )
    rows: list[tuple[GateReport, BacktestMetrics]] = []
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        steps = driver.steps_through(_THROUGH)
        total = len(candidates) * driver.count_assets(steps, _THROUGH)
        with bar("evaluation", total) as progress:
            for candidate in candidates:
                evaluate(
                    driver,
                    candidate,
                    DEMO_SNAPSHOT,
                    through=_THROUGH,
                    steps=steps,
                    shown=progress if progress.is_shown else None,
                )
                rows.append(
                    (
                        driver.gate_report(candidate, DEMO_SNAPSHOT),
                        driver.backtest_metrics(candidate, DEMO_SNAPSHOT),
                    )
                )
        _print_table(home, rows)
        passed = [r.candidate_id for r, _ in rows if r.verdict is Verdict.PASS]
        _trade(driver, passed)
    click.echo(f"\nreports   {home.root / 'reports'}")
    click.echo(f"read one  torghut report {candidates[0]} --snapshot {DEMO_SNAPSHOT}")
    click.echo("open UI   make ui, then http://localhost:3000")


def _trade(driver: Driver, candidates: list[str]) -> None:
    """Trade the admitted candidates on paper, and say what became of each."""
    from torghut_assets.cli.session import sessions_between, trade
    from torghut_assets.domain.drift.records import SEVERITY, DriftReport
    from torghut_assets.domain.rollback.records import IncidentReport

    click.echo(f"\nPaper trading on real bars, {FIRST_SESSION} to {LAST_SESSION}:\n")
    click.echo(f"{'candidate':<26}{'sessions':>8}{'orders':>8}{'return':>9}  stands at")
    sessions = sessions_between(FIRST_SESSION, LAST_SESSION)
    for candidate in candidates:
        results = []
        with bar(candidate, len(sessions)) as progress:
            for day in sessions:
                if not driver.may_trade(candidate, day):
                    break
                progress.doing(day)
                results.append(trade(driver, candidate, day))
                progress.advance()
        last = results[-1]
        growth = math.prod(1 + r.net_return_fraction for r in results) - 1
        click.echo(
            f"{candidate:<26}{len(results):>8}{sum(r.orders for r in results):>8}"
            f"{100 * growth:>8.1f}%  "
            + click.style(last.stands_at, fg="red" if last.rolled_back else "green")
        )
        partition = f"{candidate}|{last.session}"
        drift = driver.require_record(DriftReport, "drift_report", partition)
        telling = [r for r in drift.readings if r.level in SEVERITY[2:] and r.measured is not None]
        for reading in sorted(telling, key=lambda r: -SEVERITY.index(r.level))[:2]:
            limit = "" if reading.fail is None else f", fails beyond {reading.fail:g}"
            shown = f"{last.session} {reading.level.value}: {reading.measurement} "
            _quietly(f"{shown}{reading.measured:.4f}{limit}")
        if last.rolled_back:
            incident = driver.require_record(IncidentReport, "incident_report", partition)
            _quietly(
                f"rolled back, the broker holds what was planned: {incident.receipt_state}; "
                f"incident class {incident.incident_class}"
            )


def _quietly(text: str) -> None:
    say(f"    {text}", dim=True)


def _print_table(home: Home, rows: "list[tuple[GateReport, BacktestMetrics]]") -> None:
    """Print one line per candidate and its first reasons below, 80 columns wide."""
    from torghut_assets.cli.trials import register_of

    register = register_of(home)
    click.echo("\nOut of sample, net of costs:\n")
    click.echo(f"{'candidate':<26}{'Sharpe':>7}{'max DD':>9}{'turnover':>10}{'trials':>8}  verdict")
    for report, metrics in rows:
        out = metrics.out_of_sample
        sharpe = "–" if out.sharpe_annual is None else f"{out.sharpe_annual:.2f}"
        passed = report.verdict is Verdict.PASS
        click.echo(
            f"{report.candidate_id:<26}{sharpe:>7}{100 * out.max_drawdown_fraction:>8.1f}%"
            f"{out.turnover_annual:>8.1f}/y{register.count(report.candidate_id).raw:>8}  "
            + click.style(report.verdict.value.upper(), fg="green" if passed else "red")
        )
        for reason in report.blocking_reasons[:3]:
            _quietly(reason.text)
        if len(report.blocking_reasons) > 3:
            _quietly(f"and {len(report.blocking_reasons) - 3} more")
