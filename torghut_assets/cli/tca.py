"""Commands about paper trading's costs: a report, and a proposal for the cost model."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.screen import counted, say
from torghut_assets.domain.errors import UpstreamMissingError
from torghut_assets.domain.identifiers import parse_candidate_id, parse_date
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    from torghut_assets.domain.tca.aggregate import CostSummary
    from torghut_assets.domain.tca.records import PaperTca

_EVER = ("1970-01-01", "9999-12-31")


@click.group()
def tca() -> None:
    """Show what paper trading cost, and propose a new version of the cost model."""


@tca.command()
@click.argument("candidate_id")
@click.option("--from", "first", default=_EVER[0], metavar="DATE", help="First session.")
@click.option("--to", "last", default=_EVER[1], metavar="DATE", help="Last session.")
@click.option(
    "--by",
    type=click.Choice(["all", "symbol", "side", "hour", "order_type", "policy"]),
    default="all",
    help="What to group by.",
)
@click.option("--json", "as_json", is_flag=True, help="One object with every group.")
def report(candidate_id: str, first: str, last: str, by: str, as_json: bool) -> None:
    """Summarize the costs of CANDIDATE_ID's paper orders, in basis points.

    Positive is cost. Means are weighted with notional, with their 95 % interval.

    \b
    Example:
      torghut tca report tsmom-megacaps-v1 --from 2022-01-03 --to 2022-03-31 --by side

    Exit status: 0 shown, 3 no session or an altered record, 4 bad id or date.
    """
    from torghut_assets.domain.tca.aggregate import cost_table, later_markouts

    records = _window(candidate_id, first, last)
    summaries = [s for s in cost_table(records) if s.dimension == by]
    markouts = later_markouts(records)
    if as_json:
        document = {
            "candidate": candidate_id,
            "first_session": records[0].session,
            "last_session": records[-1].session,
            "sessions": len(records),
            "orders": sum(len(record.orders) for record in records),
            "costs": [asdict(summary) for summary in summaries],
            "markouts": [asdict(markout) for markout in markouts],
        }
        click.echo(json.dumps(document, indent=2))
        return
    orders = sum(len(record.orders) for record in records)
    traded = f"{counted(orders, 'order')} in {counted(len(records), 'session')}"
    say(
        f"{candidate_id}: {traded}, {records[0].session} to {records[-1].session}; basis points, "
        "positive is cost"
    )
    click.echo(
        f"{by:<12}{'metric':<21}{'orders':>7}{'mean':>8}{'low':>8}{'high':>8}{'p50':>8}{'p95':>8}"
    )
    for summary in summaries:
        click.echo(_line(summary))
    for markout in markouts:
        say(
            f"markout after {markout.horizon.replace('_', ' ')}: {_number(markout.mean_bps)} bps, "
            f"{markout.orders} orders; positive is in our favour"
        )


@tca.command()
@click.argument("candidate_id")
@click.option("--from", "first", default=_EVER[0], metavar="DATE", help="First session.")
@click.option("--to", "last", default=_EVER[1], metavar="DATE", help="Last session.")
def propose(candidate_id: str, first: str, last: str) -> None:
    """Propose a new version of the cost model from CANDIDATE_ID's paper orders.

    Writes the proposal, a record with its evidence, and the settings document that a person
    accepts by copying it to config/cost_model.yaml of the home. Nothing in force is changed.

    \b
    Example:
      torghut tca propose tsmom-megacaps-v1 --from 2022-01-03 --to 2022-06-30

    Exit status: 0 written, 3 no session or an altered record, 4 too few orders to tell, bad id.
    """
    from torghut_assets.domain.backtest.settings import parse_cost_model
    from torghut_assets.domain.tca.cost_model_document import settings_document
    from torghut_assets.domain.tca.recalibration import propose_cost_model
    from torghut_assets.resources.new_files import write_new

    home = Home.from_environment()
    in_force_at = home.config_path("cost_model")
    in_force = parse_cost_model(in_force_at.read_bytes(), location=in_force_at.name)
    proposal = propose_cost_model(_window(candidate_id, first, last), in_force)
    document = settings_document(proposal, in_force)
    digest = home.store.put(proposal.canonical_bytes())
    path = home.root / "proposals" / f"cost_model.{digest[:12]}.yaml"
    if not path.exists():
        write_new(path, document.encode())
    say(f"{proposal.orders} orders in {proposal.sessions} sessions; record {digest}")
    for c in proposal.coefficients:
        verdict = "keep" if c.proposed == c.in_force else f"propose {c.proposed:.4g}"
        say(
            f"  {c.name:<30}{c.in_force:>8.4g} in force, {c.estimate:.4g} estimated "
            f"[{c.low:.4g}, {c.high:.4g}]: {verdict}"
        )
    say(f"not in force: {path}")


def _window(candidate_id: str, first: str, last: str) -> "tuple[PaperTca, ...]":
    """Return the verified records of a candidate's sessions."""
    from torghut_assets.resources.paper_gate_desk import PaperGateDesk

    home = Home.from_environment()
    candidate = parse_candidate_id(candidate_id)
    start = parse_date(first, location="--from").isoformat()
    end = parse_date(last, location="--to").isoformat()
    with instance_of(home) as instance:
        records = PaperGateDesk(home).window(instance, candidate, start, end)
    if not records:
        raise UpstreamMissingError(
            asset="paper_tca",
            partition=f"{candidate}|{start}..{end}",
            command=f"torghut session run {candidate} --session <YYYY-MM-DD>",
        )
    return records


def _line(summary: "CostSummary") -> str:
    shown = (summary.mean, summary.low, summary.high, summary.p50, summary.p95)
    figures = "".join(f"{_number(value):>8}" for value in shown)
    return f"{summary.group:<12}{summary.metric:<21}{summary.orders:>7}{figures}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
