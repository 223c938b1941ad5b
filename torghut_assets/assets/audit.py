"""The regulatory map next to what the home holds: which requirement has evidence, which has none.

No legal claim: the record carries that sentence itself.
"""

from contextlib import AbstractContextManager, nullcontext

import dagster as dg

from torghut_assets.assets.keys import ASSETS, CONTROL_EVIDENCE_MAP
from torghut_assets.assets.tables import table
from torghut_assets.domain.audit.controls import (
    ControlEvidenceMap,
    Requirement,
    RequirementEvidence,
    evidence_for,
    parse_control_map,
)
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.home import Home

_CODE = code_digest("domain/audit/controls.py", "domain/records.py")[:16]


@dg.asset(
    key=CONTROL_EVIDENCE_MAP,
    group_name="audit",
    owners=["team:governance"],
    io_manager_key="record_io",
    code_version=_CODE,
)
def control_evidence_map(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]
) -> dg.MaterializeResult[ControlEvidenceMap]:
    """Requirements of trading and model-risk rules, and what this home holds; no legal claim."""
    from torghut_assets.resources.audit_index import AuditIndex
    from torghut_assets.resources.ledger import Ledger

    path = home.config_path("control_map")
    control_map = parse_control_map(path.read_bytes(), location=path.name)

    def opened() -> AbstractContextManager[dg.DagsterInstance]:
        return nullcontext(context.instance)

    with AuditIndex.opened(home, opened, Ledger(home), tuple(ASSETS)) as index:
        found = evidence_for(control_map, index.count_by_kind(), index.newest_of_kind)
    return dg.MaterializeResult(
        value=found,
        data_version=dg.DataVersion(found.digest),
        metadata={
            "disclaimer": found.disclaimer,
            "requirements": len(found.found),
            "not_evidenced": len(found.not_evidenced),
            "map": table(
                _row(rule.rule, requirement, answer)
                for (rule, requirement), answer in zip(
                    ((rule, r) for rule in control_map.rules for r in rule.requirements),
                    found.found,
                    strict=True,
                )
            ),
        },
    )


def _row(rule: str, requirement: Requirement, answer: RequirementEvidence) -> dict[str, str]:
    evidence = ", ".join(f"{e.record_kind_found} {e.count}" for e in answer.evidence if e.count)
    return {
        "rule": rule,
        "clause": requirement.clause,
        "requirement": requirement.asks_for,
        "record kinds": ", ".join(requirement.record_kinds) or "none",
        "checks": ", ".join(requirement.checks) or "none",
        "commands": ", ".join(requirement.commands) or "none",
        "evidence": evidence or "NOT EVIDENCED",
        "status": answer.status,
        "not covered": requirement.gap or "",
    }
