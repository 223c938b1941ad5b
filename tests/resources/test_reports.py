"""Published reports: there once, and never believed when edited."""

import json

import pytest
from evaluated_examples import KEY, PASSING, SNAPSHOT

from torghut_assets.assets.keys import GATE_REPORT
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.resources.lineage import current_record
from torghut_assets.resources.reports import publish_report, read_published, report_path


@pytest.fixture
def report(evaluated):
    with instance_of(evaluated) as instance:
        return current_record(instance, evaluated.store, GateReport, GATE_REPORT, KEY)


def test_a_report_is_published_under_its_digest(evaluated, report):
    path = report_path(evaluated, report, "json")
    assert path.parent.name == PASSING
    assert path.name == f"{SNAPSHOT}.{report.digest[:12]}.json"
    document, page = read_published(evaluated, report)
    assert document["verdict"] == report.verdict.value
    assert page.startswith("#")


def test_publishing_again_keeps_the_first_files(evaluated, report):
    before = read_published(evaluated, report)
    path = publish_report(evaluated, report, {"other": 1}, "another page")
    assert path == report_path(evaluated, report, "md")
    assert read_published(evaluated, report) == before


def test_an_edited_page_is_not_what_is_shown(evaluated, report):
    path = report_path(evaluated, report, "md")
    published = path.read_text(encoding="utf-8")
    path.write_text(published.replace("may go to paper trading", "may trade anything"))
    assert read_published(evaluated, report)[1] == published


def test_an_altered_record_behind_a_report_is_refused(evaluated, report):
    digest = next(ref.digest for ref in report.inputs if ref.name == "stress_metrics")
    path = evaluated.store.path_of(digest)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(EvidenceError, match=digest):
        read_published(evaluated, report)


def test_a_missing_document_is_named_with_what_to_do(evaluated, report):
    path = report_path(evaluated, report, "json")
    path.unlink()
    with pytest.raises(EvidenceError, match="Publish it again with") as refused:
        read_published(evaluated, report)
    assert str(path) in str(refused.value)


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: {**d, "verdict": "fail"},
        lambda d: {**d, "extra": 1},
        lambda d: {key: value for key, value in d.items() if key != "evaluated_at"},
        lambda d: {**d, "evaluated_at": "yesterday"},
        lambda d: {**d, "evaluated_at": 7},
        lambda d: [d],
    ],
)
def test_an_edited_document_is_refused(edit, evaluated, report):
    path = report_path(evaluated, report, "json")
    path.write_text(json.dumps(edit(json.loads(path.read_text()))))
    with pytest.raises(EvidenceError, match="somebody edited it"):
        read_published(evaluated, report)


@pytest.mark.parametrize("payload", [b"", b"{", b"\xff\xfe"])
def test_a_torn_document_is_refused(payload, evaluated, report):
    report_path(evaluated, report, "json").write_bytes(payload)
    with pytest.raises(EvidenceError, match="somebody edited it"):
        read_published(evaluated, report)
