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

_KINDS = ("unfreeze", "promote", "deploy", "ramp", "re_enable", "lift_kill", "cost_model")


@click.command()
@click.argument("kind", type=click.Choice(_KINDS))
@click.argument("candidate_id", required=False)
@click.option("--key", "by", default=None, metavar="KEY", help="Owner or id of your key.")
@click.option("--report", default=None, metavar="DIGEST", help="The record that you reviewed.")
@click.option("--policy", default=None, metavar="DIGEST", help="The policy it is decided under.")
@click.option("--stage", default=None, help="The stage that is entered.")
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
    limits: tuple[str, ...],
    hours: float,
    as_json: bool,
) -> None:
    """Sign an approval of one decision of KIND about CANDIDATE_ID, into the ledger.

    It is bound to the candidate and its authors, the stage, the digests of the report and
    the policy, and the limits; it counts once, until it expires, and not from an author.
    `unfreeze` binds the members of the candidate's frozen line and each refusal so far; it
    takes no other option. The passphrase comes from TORGHUT_KEY_PASSPHRASE or a prompt.

    \b
    Examples:
      torghut approve unfreeze my-candidate --key "A. Reviewer"
      torghut approve ramp my-candidate --stage live_ramp_stage_1 --report <digest> \\
        --policy <digest> --limit notional_usd=10000 --hours 8

    Exit status: 0 approved, 1 the approval would not count, 2 wrong usage, 3 evidence missing
    or altered, 4 bad input.
    """
    home = Home.from_environment()
    desk = desk_of(home)
    if kind == "unfreeze":
        if report or policy or stage or limits or candidate_id is None:
            raise UsageError(
                "unfreeze: found options or no candidate, expected a candidate alone; members and "
                "refusals are taken from the receipts."
            )
        decision = _unfreeze(home, parse_candidate_id(candidate_id))
    else:
        bound = {"--report": report, "--policy": policy}
        decision = _decision(home, kind, candidate_id, bound, stage, limits)
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


def _unfreeze(home: Home, candidate: str) -> "Decision":
    """Return the decision about the line as the receipts leave it now."""
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


def _decision(
    home: Home,
    kind: str,
    candidate_id: str | None,
    bound: dict[str, str | None],
    stage: str | None,
    limits: tuple[str, ...],
) -> "Decision":
    """Return a decision about digests that are in the store."""
    from torghut_assets.definitions import stage_desk
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
    candidate = parse_candidate_id(candidate_id) if candidate_id is not None else None
    authors = [stage_desk(home).submission_of(candidate).author] if candidate else []
    data = {
        "kind": kind,
        "candidate_id": candidate,
        "authors": authors,
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
