"""The regulatory map as an asset: what a home holds for each requirement, and what it lacks."""

import dagster as dg
import pytest

from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import build_definitions
from torghut_assets.domain.audit.controls import DISCLAIMER, ControlEvidenceMap
from torghut_assets.resources.lineage import current_record

RULES = (
    "SEC Rule 15c3-5",
    "MiFID II RTS 6",
    "MiFID II RTS 22",
    "FINRA Regulatory Notice 15-09",
    "SEC Rule 17a-4(f)(2)(i)",
    "SR 26-2",
)


@pytest.fixture
def mapped(evaluated):
    """The record, its metadata and its check in a home with two evaluations and no trading."""
    with instance_of(evaluated) as instance:
        job = build_definitions(evaluated).resolve_job_def("map_controls")
        done = job.execute_in_process(instance=instance)
        assert done.success
        record = current_record(
            instance,
            evaluated.store,
            ControlEvidenceMap,
            dg.AssetKey("control_evidence_map"),
            None,
        )
        (made,) = done.asset_materializations_for_node("control_evidence_map")
        (check,) = done.get_asset_check_evaluations()
        return record, made.metadata, check


def test_every_requirement_has_a_row_with_its_evidence_or_says_that_there_is_none(mapped):
    record, metadata, check = mapped
    rows = [row.data for row in metadata["map"].records]
    assert [row["clause"] for row in rows] == [r.clause for r in record.control_map.requirements]
    for rule in RULES:
        assert any(row["rule"].startswith(rule) for row in rows), rule
    assert any("superseded SR 11-7 on 2026-04-17" in row["rule"] for row in rows)
    by_id = dict(zip((f.requirement_id for f in record.found), rows, strict=True))
    assert "order-limits 1" in by_id["sec-15c3-5-b"]["evidence"]
    missing = {i for i, row in by_id.items() if row["evidence"] == "NOT EVIDENCED"}
    assert missing == set(record.not_evidenced) != set()
    assert metadata["not_evidenced"].value == len(missing)
    assert metadata["disclaimer"].value == DISCLAIMER
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert all(name in check.description for name in missing)
