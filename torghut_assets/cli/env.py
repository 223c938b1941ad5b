"""Set up a shell, and the machine's kernel cache."""

import shlex

import click

from torghut_assets.resources.home import Home


@click.command()
def env() -> None:
    """Print shell settings for Dagster's own commands.

    They name this home and this code location, so that `dagster asset materialize`,
    `dagster dev` and `dg` work on what `torghut` made.

    \b
    Example:
      eval "$(torghut env)"
      dagster asset materialize --select gate_report \\
        --partition 'tsmom-megacaps-v1|us-megacaps@2021-12-31'

    Exit status: 0.
    """
    from torghut_assets.cli.instance import instance_of

    home = Home.from_environment()
    with instance_of(home):  # Dagster's own processes would make its databases at once, and badly
        pass
    for name, value in home.environment().items():
        click.echo(f"export {name}={shlex.quote(value)}")


@click.command()
def warm() -> None:
    """Compile the simulation kernels once, so that the first run need not.

    Exit status: 0.
    """
    import numpy as np

    from torghut_assets.domain.backtest.lane_scenarios import warm_up_kernels
    from torghut_assets.domain.backtest.overfit import pbo_cscv
    from torghut_assets.strategies.direction_times_risk_kernel import warm_up as warm_up_grid

    warm_up_kernels()
    warm_up_grid()
    pbo_cscv(np.random.default_rng(0).normal(size=(16, 3)), n_blocks=4)
    click.echo("simulation kernels are compiled and cached")
