"""The control map next to what a home holds, as lines of at most 80 columns."""

import textwrap
from collections.abc import Iterator

from torghut_assets.domain.audit.controls import (
    ControlEvidenceMap,
    Requirement,
    RequirementEvidence,
)
from torghut_assets.domain.audit.tree import WIDTH, short


def controls_page(found: ControlEvidenceMap) -> Iterator[str]:
    """Yield the page, the disclaimer first."""
    yield from textwrap.wrap(found.disclaimer, WIDTH)
    answers = {answer.requirement_id: answer for answer in found.found}
    for rule in found.control_map.rules:
        yield ""
        yield from textwrap.wrap(rule.rule, WIDTH)
        for requirement in rule.requirements:
            yield from _requirement(requirement, answers[requirement.requirement_id])
    yield ""
    total, missing = len(found.found), len(found.not_evidenced)
    yield f"{total - missing} of {total} requirements have evidence here, {missing} have none"


def _requirement(requirement: Requirement, answer: RequirementEvidence) -> Iterator[str]:
    yield from _wrapped(f"{requirement.clause}: {answer.status}", 2)
    yield from _wrapped(requirement.asks_for, 4)
    for each in answer.evidence:
        newest = f", newest {short(each.newest)}" if each.count else ""
        yield from _wrapped(f"{each.record_kind_found}: {each.count or 'none'}{newest}", 4)
    if requirement.checks:
        yield from _wrapped(f"judged by {', '.join(requirement.checks)}", 4)
    if requirement.commands:
        yield from _wrapped(f"shown by {', '.join(requirement.commands)}", 4)
    if requirement.gap:
        yield from _wrapped(f"not covered: {requirement.gap}", 4)


def _wrapped(text: str, indent: int) -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent + 2),
        break_on_hyphens=False,
    )
