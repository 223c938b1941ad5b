"""Metrics of the home for Prometheus, and a health endpoint."""

import sys

import click

from torghut_assets.resources.home import Home


@click.group()
def metrics() -> None:
    """Show metrics of the home, or serve them to Prometheus.

    They are computed from the ledger, the registers, records and Dagster's storage when
    somebody asks. docs/observability.md lists each.
    """


@metrics.command()
def show() -> None:
    """Print every metric as Prometheus would read it.

    \b
    Example:
      torghut metrics show

    Exit status: 0 shown, 1 a source could not be read, 2 the extra `team` is missing.
    """
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.resources.metrics.collector import MetricsCollector, exposition

    home = Home.from_environment()
    with instance_of(home) as instance:
        collector = MetricsCollector(home, instance)
        try:
            click.echo(exposition(collector).decode("utf-8"), nl=False)
            problems = collector.problems
        finally:
            collector.close()
    for source, problem in problems.items():
        click.echo(f"torghut: {source} could not be read: {problem}", err=True)
    sys.exit(1 if problems else 0)


@metrics.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option(
    "--port", default=9464, show_default=True, type=click.IntRange(0, 65535), help="0: a free one."
)
def serve(host: str, port: int) -> None:
    """Serve /metrics and /healthz until interrupted.

    /healthz answers 200, or 503 with the reason of every source that cannot be read. There is
    no authentication: leave it at loopback, or put a proxy in front.

    \b
    Example:
      torghut metrics serve --port 9464

    Exit status: 2 the extra `team` is missing, 4 the port is taken, 130 interrupted.
    """
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.resources.metrics.collector import MetricsCollector, exposition
    from torghut_assets.resources.metrics.server import metrics_server

    home = Home.from_environment()
    with instance_of(home) as instance:
        collector = MetricsCollector(home, instance)
        try:
            exposition(collector)  # a missing extra is said now, and what is long is read now
            with metrics_server(collector, host, port) as server:
                where = f"http://{host}:{server.server_port}"
                click.echo(f"serving {where}/metrics and {where}/healthz")
                server.serve_forever()
        finally:
            collector.close()
