"""Published gate reports: JSON and Markdown files that keep every version."""

import contextlib
import datetime as dt
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.gates.evidence import RECORD_TYPES, GateEvidence
from torghut_assets.domain.gates.markdown import render_markdown
from torghut_assets.domain.gates.publication import publication
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.resources.home import Home
from torghut_assets.resources.new_files import write_new


def publish_report(home: Home, report: GateReport, document: dict[str, Any], page: str) -> Path:
    """Write the report as JSON and Markdown below the home; return the page's path.

    A report that was published before keeps its first files: the same decision from the
    same evidence has one publication.
    """
    json_path = report_path(home, report, "json")
    page_path = report_path(home, report, "md")
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    for path, content in ((json_path, text), (page_path, page)):
        with contextlib.suppress(FileExistsError):
            write_new(path, content.encode())
    return page_path


def report_path(home: Home, report: GateReport, ending: str) -> Path:
    """Where a report is published; the digest in the name keeps every version."""
    name = f"{report.snapshot_id}.{report.digest[:12]}.{ending}"
    return home.root / "reports" / report.candidate_id / name


def read_published(home: Home, report: GateReport) -> tuple[dict[str, Any], str]:
    """Return the published document of a verified report, and its page drawn anew.

    The page comes from the records, not from the published file: an edited page is never
    shown.

    Raises
    ------
    EvidenceError
        If the document is missing or is not the publication of this report (it was edited
        after it was published), or a record that the report rests on is missing or altered.
    """
    path = report_path(home, report, "json")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        evaluated_at = dt.datetime.fromisoformat(document["evaluated_at"])
    except FileNotFoundError as error:
        raise EvidenceError(
            f"{error.filename}: the published report is missing. {_again(report)}"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise _edited(path, report) from error
    if document != publication(report, evaluated_at):
        raise _edited(path, report)
    return document, render_markdown(report, evaluated_at, _evidence_behind(home, report))


def _evidence_behind(home: Home, report: GateReport) -> GateEvidence:
    """Load the records that a report names, each verified against its digest."""
    records: dict[str, Any] = {
        ref.name: RECORD_TYPES[ref.name].from_canonical_bytes(
            home.store.get(ref.digest), location=f"{ref.name} of {report.subject}"
        )
        for ref in report.inputs
        if ref.digest is not None
    }
    return replace(GateEvidence(report.candidate_id, report.snapshot_id), **records)


def _edited(path: Path, report: GateReport) -> EvidenceError:
    return EvidenceError(
        f"{path}: is not what was published for this report; somebody edited it. Move it away. "
        f"{_again(report)}"
    )


def _again(report: GateReport) -> str:
    """Return the command that publishes a report again."""
    return (
        'Publish it again with: eval "$(torghut env)" && dagster asset materialize '
        f"--select gate_report --partition '{report.subject}'"
    )
