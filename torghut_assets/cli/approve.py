"""The command with which a person approves one decision."""

import json
from typing import TYPE_CHECKING

import click

from torghut_assets.cli.keys import desk_of, passphrase
from torghut_assets.domain.errors import BadInputError, StageRefusedError, UsageError
from torghut_assets.domain.identifiers import parse_candidate_id
from torghut_assets.resources.home import Home

if TYPE_CHECKING:
    from torghut_assets.domain.evidence.approval_records import ApprovedLimit, Decision

_KINDS = (
    "unfreeze",
    "promote",
    "deploy",
    "ramp",
    "re_enable",
    "lift_kill",
    "cost_model",
    "retention",
)
_LIFTS = ("lift_kill", "re_enable")


@click.command()
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("candidate_id", required=False)
@click.option("--key", "by", default=None, metavar="KEY", help="Owner or id of your key.")
@click.option("--report", default=None, metavar="DIGEST", help="The record that you reviewed.")
@click.option("--policy", default=None, metavar="DIGEST", help="The policy it is decided under.")
@click.option("--stage", default=None, help="The stage that is entered.")
@click.option(
    "--latch", type=click.IntRange(min=1), default=None, help="Number of the latch to lift."
)
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="A limit; repeatable.")
@click.option(
    "--hours",
    type=click.FloatRange(min=0, min_open=True, max=336),
    default=24.0,
    show_default=True,
    help="For how long the approval may be used.",
)
@click.option("--json", "as_json", is_flag=True, help="The signed statement and its entry.")
def approve(
    kind: str,
    candidate_id: str | None,
    by: str | None,
    report: str | None,
    policy: str | None,
    stage: str | None,
    latch: int | None,
    limits: tuple[str, ...],
    hours: float,
    as_json: bool,
) -> None:
    """Sign an approval of one decision of KIND about CANDIDATE_ID, into the ledger.

    It is bound to the candidate and its authors, the stage, the digests of the report and
    the policy, and the limits; it counts once, until it expires, and not from an author.
    `unfreeze` binds the members of the candidate's frozen line and each refusal so far;
    `lift_kill` (a kill or an incident) and `re_enable` (too many messages) bind one latch of the
    kill switch. Report and policy of these three are not options: they are looked up. The
    passphrase comes from TORGHUT_KEY_PASSPHRASE or a prompt.

    \b
    Examples:
      torghut approve unfreeze my-candidate --key "A. Reviewer"
      torghut approve lift_kill --latch 1 --key "A. Reviewer"
      torghut approve ramp my-candidate --stage live_ramp_stage_1 --report <digest> \\
        --policy <digest> --limit notional_usd=10000 --hours 8

    Exit status: 0 approved, 1 the approval would not count, 2 wrong usage, 3 evidence missing
    or altered, 4 bad input.
    """
    home = Home.from_environment()
    desk = desk_of(home)
    candidate = parse_candidate_id(candidate_id) if candidate_id is not None else None
    looked_up = kind in ("unfreeze", *_LIFTS)
    if looked_up and (report or policy or stage or limits):
        raise UsageError(f"{kind}: found options, expected none: what it rests on is looked up.")
    if (latch is not None) != (kind in _LIFTS):
        raise UsageError(f"--latch: belongs to {' and '.join(_LIFTS)}, and only there.")
    if latch is not None:
        decision = _lift(home, kind, candidate, latch)
    elif looked_up:
        decision = _unfreeze(home, candidate)
    else:
        bound = {"--report": report, "--policy": policy}
        decision = _decision(home, kind, candidate, bound, stage, limits)
    entry = desk.approve(decision, by, passphrase(), hours)
    if as_json:
        document = {
            "sequence": entry.sequence,
            "recorded_at": f"{entry.recorded_at:%Y-%m-%dT%H:%M:%SZ}",
            "envelope": entry.envelope.plain(),
            "statement": json.loads(entry.envelope.payload_bytes),
        }
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    record = entry.statement.predicate.record
    click.echo(
        f"approved {kind} of {candidate_id or 'everything'} in ledger entry {entry.sequence}"
    )
    click.echo(f"  by {record['approver']}, until {record['expires_at']}, nonce {record['nonce']}")
    for name, digest in entry.subjects.items():
        click.echo(f"  {name} {digest}")


def _unfreeze(home: Home, candidate: str | None) -> "Decision":
    """Return the decision about the line as the receipts leave it now."""
    if candidate is None:
        raise UsageError("unfreeze: found no candidate, expected one of the frozen line.")
    from torghut_assets.definitions import stage_desk
    from torghut_assets.domain.stages.line import unfreeze_decision

    stages = stage_desk(home)
    receipts = stages.book.receipts()
    parents = [r.decision.parent for r in receipts if r.decision.candidate_id == candidate]
    parent = parents[-1] if parents else stages.submission_of(candidate).parent
    line = stages.line_of(candidate, parent, receipts)
    if not line.is_frozen:
        raise StageRefusedError(
            f"{candidate}: the line has {len(line.counted)} counted refusals and is not frozen; "
            "there is nothing to approve."
        )
    return unfreeze_decision(line, [stages.submission_of(m).author for m in line.members])


def _lift(home: Home, kind: str, candidate: str | None, sequence: int) -> "Decision":
    """Return the decision about one latch of the kill switch that still stops orders."""
    from torghut_assets.domain.orders.kill import kind_that_lifts, lift_decision
    from torghut_assets.domain.orders.limits import parse_order_limits
    from torghut_assets.resources.kill_switch import KillSwitch

    found = KillSwitch(home).reading(None)
    engaged = {each.sequence: each for each in found.engaged}
    if sequence not in engaged:
        raise BadInputError(
            location="--latch",
            found=f"{sequence} ({found.detail})",
            expected=f"one that is engaged: {', '.join(map(str, engaged)) or 'there is none'}",
        )
    latch = engaged[sequence]
    if kind_that_lifts(latch) != kind or latch.candidate_id != candidate:
        raise BadInputError(
            location=f"--latch {sequence}",
            found=f"{kind} of {candidate or 'everything'}",
            expected=f"{kind_that_lifts(latch)} of {latch.candidate_id or 'everything'}",
        )
    limits = parse_order_limits(home.config_path("order_limits").read_bytes())
    return lift_decision(latch, _authors(home, candidate), limits.digest)


def _authors(home: Home, candidate: str | None) -> tuple[str, ...]:
    from torghut_assets.definitions import stage_desk

    return (stage_desk(home).submission_of(candidate).author,) if candidate else ()


def _decision(
    home: Home,
    kind: str,
    candidate: str | None,
    bound: dict[str, str | None],
    stage: str | None,
    limits: tuple[str, ...],
) -> "Decision":
    """Return a decision about digests that are in the store."""
    from torghut_assets.domain.digests import is_digest
    from torghut_assets.domain.evidence.approval_records import Decision
    from torghut_assets.domain.records import parse_record
    from torghut_assets.domain.stages.config import STAGES

    for option, digest in bound.items():
        if digest is None:
            raise UsageError(f"{option}: found nothing, expected a digest, to approve {kind}.")
        if not is_digest(digest):
            raise BadInputError(location=option, found=ascii(digest)[:80], expected="a digest")
        home.store.get(digest)
    if stage is not None and stage not in STAGES:
        raise UsageError(f"--stage: found {stage!a}, expected one of {', '.join(STAGES)}.")
    data = {
        "kind": kind,
        "candidate_id": candidate,
        "authors": list(_authors(home, candidate)),
        "stage": stage,
        "report_digest": bound["--report"],
        "policy_digest": bound["--policy"],
        "limits": [limit.model_dump() for limit in sorted(map(_limit, limits), key=_name)],
    }
    return parse_record(Decision, data, location=f"approval of {kind}")


def _name(limit: "ApprovedLimit") -> str:
    return limit.name


def _limit(text: str) -> "ApprovedLimit":
    from torghut_assets.domain.evidence.approval_records import ApprovedLimit
    from torghut_assets.domain.records import parse_record

    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    return parse_record(ApprovedLimit, {"name": name, "value": number}, location="--limit")
