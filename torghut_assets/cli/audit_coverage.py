"""How much of the evidence is complete: orders, statements, events, refusals."""

import json
import sys

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object.")
def coverage(as_json: bool) -> None:
    """Count what is complete: chains of orders, statements, events, kept refusals.

    The chain of an order is complete if order, fills, costs, intents, deployment, strategy, gate
    decision and its receipt, trials, and every byte of them resolve by their digests and are
    stated in the ledger; an order that a rollback sent goes through the rollback's receipt and
    plan instead, and has no costs measured. Every decision that was no pass must still have its
    evidence. What was removed under retention is counted apart, with its tombstone.

    \b
    Example:
      torghut audit coverage

    Exit status: 0 everything is complete, 3 something is not, or a register is not whole.
    """
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.definitions import HELD
    from torghut_assets.resources.home import Home
    from torghut_assets.resources.order_coverage import measure_coverage
    from torghut_assets.resources.reconciliation import Reconciler

    home = Home.from_environment()
    with instance_of(home) as instance:
        reconciler = Reconciler(home, instance, {n: made.record_type for n, made in HELD.items()})
        seen = reconciler.see()
        found = reconciler.findings(seen)
    covered = measure_coverage(home, seen)
    codes = [each.code for each in found.differences]
    counts = {
        "records_without_statement": codes.count("statement_missing"),
        "statements_without_event": codes.count("event_missing"),
        "other_differences": sum(
            code not in ("statement_missing", "event_missing") for code in codes
        ),
    }
    complete = covered.is_complete and not codes
    if as_json:
        document = {
            "orders": covered.orders,
            "orders_resolved": covered.resolved,
            "orders_of_rollbacks": covered.closing,
            "order_share_fraction": covered.share_fraction,
            "broken_chains": [
                {
                    "key": each.key,
                    "candidate_id": each.candidate_id,
                    "session": each.session,
                    "link": each.link.name,
                    "detail": each.link.detail,
                }
                for each in covered.broken
            ],
            "orders_removed": [
                {"key": each.key, "session": each.session, "detail": each.link.detail}
                for each in covered.removed
            ],
            "decisions_refused": covered.refused,
            "rejections_kept": covered.kept,
            "rejections_lost": list(covered.lost),
            "rejections_removed": list(covered.refusals_removed),
            **counts,
            "complete": complete,
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo(
            f"orders       {covered.resolved} of {covered.orders} lead back to everything "
            f"({100 * covered.share_fraction:.1f} %)"
        )
        if covered.closing:
            click.echo(f"  {covered.closing} of them were sent by rollbacks, which have no TCA")
        for each in covered.broken:
            click.echo(
                f"  broken     {each.candidate_id}|{each.session} {each.key[:16]} at "
                f"{each.link.name}: {each.link.detail}"
            )
        for each in covered.removed:
            click.echo(
                f"  removed    {each.candidate_id}|{each.session} {each.key[:16]} at "
                f"{each.link.name}: {each.link.detail}"
            )
        click.echo(f"rejections   {covered.kept} kept of {covered.refused} decisions refused")
        for lost in covered.lost:
            click.echo(f"  lost       {lost}")
        for gone in covered.refusals_removed:
            click.echo(f"  removed    {gone}")
        for name, count in counts.items():
            click.echo(f"{count:5d}        {name.replace('_', ' ')}")
    sys.exit(0 if complete else 3)
