"""A history as a tree that a person reads, in at most 80 columns.

Digests are shortened to 12 digits: enough to find them with `torghut audit impact`; `--json`
has them whole.
"""

import textwrap
from collections.abc import Iterator
from typing import Final, NamedTuple

from torghut_assets.domain.audit.history import History, MadeRecord, moment_text
from torghut_assets.domain.evidence.removals import removed_text
from torghut_assets.domain.gates.records import ArtifactRef
from torghut_assets.domain.stages.receipts import StageReceipt

WIDTH: Final = 80
_SHORT: Final = 12


class Branch(NamedTuple):
    """One line of a tree, and what hangs below it."""

    text: str
    below: "tuple[Branch, ...]" = ()


def history_tree(history: History) -> Branch:
    """Return the tree of a history: candidate, trials, stages, settings, approvals."""
    scope = history.scope
    about = [f"on {scope.snapshot}"] if scope.snapshot else []
    about += [f"in session {scope.session}"] if scope.session else []
    about += [f"at {scope.stage}"] if scope.stage else []
    settings = tuple(_record(made) for made in history.records_outside)
    return Branch(
        " ".join([scope.candidate, *about]),
        (
            Branch(_known(history)),
            *((Branch(f"{history.title}, by {history.author}"),) if history.title else ()),
            _trials(history),
            *(_stage(history, stage) for stage in history.stages),
            Branch(f"settings: {len(settings)} records", settings),
            _approvals(history),
        ),
    )


def drawn(root: Branch) -> Iterator[str]:
    """Yield the lines of a tree, at most `WIDTH` columns wide."""
    yield from _wrapped(root.text, "", "")
    yield from _drawn_below(root.below, "")


def short(digest: str | None) -> str:
    """Return the first digits of a digest, or that there is none."""
    return digest[:_SHORT] if digest else "no digest"


def _drawn_below(below: tuple[Branch, ...], indent: str) -> Iterator[str]:
    for number, branch in enumerate(below, start=1):
        last = number == len(below)
        inner = indent + ("   " if last else "│  ")
        bar = "│  " if branch.below else "   "
        yield from _wrapped(branch.text, indent + ("└─ " if last else "├─ "), inner + bar)
        yield from _drawn_below(branch.below, inner)


def _wrapped(text: str, first: str, later: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=first, subsequent_indent=later, break_on_hyphens=False
    ) or [first]


def _known(history: History) -> str:
    scope = history.scope
    when = "now" if scope.as_of is None else f"at {moment_text(scope.as_of)}"
    if scope.as_of_sequence is not None:
        when += f" (ledger entry {scope.as_of_sequence})"
    return (
        f"known {when}: {len(history.made)} records, {len(history.receipts)} receipts, "
        f"{history.ledger_size} ledger entries"
    )


def _trials(history: History) -> Branch:
    tickets = tuple(
        Branch(
            f"ticket {seen.ticket.sequence}, {moment_text(seen.ticket.recorded_at)}: "
            f"{seen.ticket.trial.purpose} on {seen.ticket.trial.inputs.snapshot_id}, "
            f"{seen.ticket.trial.grid_points} points, {seen.ended}, {short(seen.ticket.digest)}"
        )
        for seen in history.tickets
    )
    return Branch(f"trials: {len(tickets)} tickets" if tickets else "trials: none", tickets)


def _stage(history: History, stage: str) -> Branch:
    receipts = [r for r in history.receipts if r.decision.stage == stage]
    records = history.records_of(stage)
    end = f"{receipts[-1].outcome.value}" if receipts else "no receipt"
    return Branch(
        f"{stage}: {end}",
        (*map(_receipt, receipts), *map(_record, records)),
    )


def _receipt(receipt: StageReceipt) -> Branch:
    decision = receipt.decision
    where = decision.session or decision.snapshot_id
    findings = tuple(
        Branch(
            f"{side} {finding.condition}: {finding.outcome.value}, {finding.detail}",
            _looked_at(finding.looked_at),
        )
        for side, found in (("requires", decision.requires), ("ensures", decision.ensures))
        for finding in found
    )
    why = decision.superseded or decision.held_because
    return Branch(
        f"receipt {receipt.sequence}, {moment_text(receipt.recorded_at)}, by {receipt.actor}: "
        f"{receipt.outcome.value} -> {decision.to_stage}{f' on {where}' if where else ''}"
        f"{f', {why}' if why else ''}; digest {short(receipt.digest)}, "
        f"code {short(decision.code_digest)}, pipeline {short(decision.pipeline_digest)}",
        findings,
    )


def _looked_at(refs: tuple[ArtifactRef, ...]) -> tuple[Branch, ...]:
    if not refs:
        return ()
    return (Branch("looked at " + ", ".join(f"{ref.name} {short(ref.digest)}" for ref in refs)),)


def _record(made: MadeRecord) -> Branch:
    lines = [
        f"made {moment_text(made.made_at)} in run {made.run_id[:8] or 'outside of a run'}"
        + (f" by {made.actor}" if made.actor else ""),
        f"code {made.code_version or 'not noted'}",
    ]
    if made.inputs:
        named = ", ".join(f"{name} {short(digest)}" for name, digest in sorted(made.inputs.items()))
        lines.append(f"from {named}")
    if made.statement is None:
        lines.append("no signed statement")
    else:
        lines.append(f"statement {made.statement}, signed by {', '.join(made.signers)}")
    if made.earlier:
        lines.append(f"{made.earlier} earlier versions")
    verdict = f", {made.verdict}" if made.verdict else ""
    where = f" of {made.partition}" if made.partition else ""
    return Branch(
        f"{made.asset} {short(made.digest)}, {_bytes(made)}{verdict}{where}",
        tuple(Branch(line) for line in lines),
    )


def _bytes(made: MadeRecord) -> str:
    if made.tombstone is not None:
        return removed_text(made.tombstone)
    return f"bytes {made.bytes_are}"


def _approvals(history: History) -> Branch:
    seen = tuple(
        Branch(
            f"{approval.decision_kind} by {approval.approver}, entry {approval.sequence}, "
            f"{moment_text(approval.recorded_at)}: "
            f"{'counts' if approval.counts else 'does not count'} ({approval.because}); "
            f"reviewed {short(approval.report_digest)}, "
            f"expires {moment_text(approval.expires_at)}"
        )
        for approval in history.approvals
    )
    return Branch(f"approvals: {len(seen)}" if seen else "approvals: none", seen)
