"""Two decisions side by side: `torghut audit diff`."""

import json
import textwrap

import click

from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.home import Home


@click.command()
@click.argument("one", metavar="A")
@click.argument("other", metavar="B")
@click.option("--json", "as_json", is_flag=True, help="One object, every field.")
def diff(one: str, other: str, as_json: bool) -> None:
    """Compare two decisions and name the cause of each verdict that flipped.

    A and B are CANDIDATE|SNAPSHOT (the gate report), CANDIDATE|SESSION (the paper gate
    report, else the drift report), or the first digits of a record's digest. Two records that
    decide nothing are compared field by field.

    \b
    Examples:
      torghut audit diff 'tsmom-megacaps-v1|us-megacaps@2021-12-31' \\
        'dip-buying-megacaps-v1|us-megacaps@2021-12-31'
      torghut audit diff 3f9c2a77d0e1 8d01f2a6c3b4 --json

    Exit status: 0 compared, 3 one of them is missing or altered, 4 they cannot be compared.
    """
    from torghut_assets.cli.auditing import audit_of
    from torghut_assets.domain.audit.compared import DECISIONS, view_of
    from torghut_assets.domain.audit.differences import (
        compare,
        differing_findings,
        field_differences,
    )
    from torghut_assets.domain.audit.side_by_side import field_line, page, plain, plain_fields

    with audit_of(Home.from_environment()) as (index, reader):
        records = reader.decision(one), reader.decision(other)
        if not all(isinstance(record, DECISIONS) for record in records):
            first, second = records
            if first.record_kind != second.record_kind:
                raise BadInputError(
                    location="B",
                    found=f"a {second.record_kind}",
                    expected=f"a {first.record_kind}, as A is",
                )
            one_plain, other_plain = (record.model_dump(mode="json") for record in records)
            fields = list(field_differences(one_plain, other_plain))
            if as_json:
                click.echo(json.dumps({"kind": first.record_kind, "fields": plain_fields(fields)}))
            else:
                click.echo(f"{first.record_kind}: {len(fields)} fields differ")
                for field in fields:
                    click.echo("\n".join(textwrap.wrap(field_line(field), 80)))
            return
        found = compare(
            *map(view_of, records),
            closure=lambda digest: index.named_by([digest]),
            loaded=reader.content,
        )
        subjects = [str(record.subject).partition("|") for record in records]
        findings = differing_findings(
            *(reader.decided(candidate, about) for candidate, _, about in subjects)
        )
        seen = tuple(reader.approvals(candidate) for candidate, _, _ in subjects)
    approvals = (seen[0], seen[1])
    if as_json:
        click.echo(json.dumps(plain(found, findings, approvals), indent=2, ensure_ascii=False))
    else:
        for line in page(found, findings, approvals):
            click.echo(line)
