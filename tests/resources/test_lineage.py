"""What a partition holds now, and that it is believed only if it proves itself."""

import dagster as dg
import pytest
from evaluated_examples import KEY, NOT_IN_AN_EVALUATION, PASSING, REFUSED, REFUSED_KEY, SNAPSHOT

from torghut_assets.assets.keys import ASSETS, BACKTEST_METRICS, CANDIDATE_SPEC, GATE_REPORT
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import build_definitions
from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.candidates.records import CandidateSpec
from torghut_assets.domain.errors import (
    EvidenceContradictionError,
    EvidenceError,
    EvidenceMissingError,
)
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.resources.home import Home
from torghut_assets.resources.lineage import current_record, newest, read_record


@pytest.fixture
def opened(evaluated):
    with instance_of(evaluated) as instance:
        yield evaluated, instance


def test_a_partition_that_was_never_made_holds_nothing(opened):
    home, instance = opened
    assert newest(instance, GATE_REPORT, "nobody-v1|us-megacaps@2021-12-31") is None
    assert current_record(instance, home.store, GateReport, GATE_REPORT, "x|y") is None


def test_every_input_of_every_asset_is_noted_with_the_digest_that_was_read(opened):
    _, instance = opened
    graph = build_definitions(Home.from_environment()).resolve_asset_graph()
    of = {"candidate": PASSING, "snapshot": SNAPSHOT}
    for name in set(ASSETS) - NOT_IN_AN_EVALUATION - {"research_feedback"}:
        key = dg.AssetKey(name)
        event = newest(instance, key, partition_of(graph, key, of))
        parents = {p.to_user_string(): p for p in graph.get(key).parent_keys}
        assert set(event.inputs) == set(parents), name
        for parent, digest in event.inputs.items():
            upstream = newest(instance, parents[parent], partition_of(graph, parents[parent], of))
            assert digest == upstream.digest


def partition_of(graph, key, of):
    definition = graph.get(key).partitions_def
    if definition is None:
        return None
    return KEY if isinstance(definition, dg.MultiPartitionsDefinition) else of[definition.name]


def test_all_metadata_of_all_assets_serialises(opened):
    """The UI gets metadata as JSON: no NaN, no numpy number, nothing that is dropped."""
    from dagster._core.events.log import EventLogEntry

    _, instance = opened
    seen = set()
    for name in set(ASSETS) - NOT_IN_AN_EVALUATION:
        for record in instance.fetch_materializations(dg.AssetKey(name), limit=10).records:
            entry = record.event_log_entry
            text = dg.serialize_value(entry)
            assert "NaN" not in text
            assert "Infinity" not in text
            assert dg.deserialize_value(text, EventLogEntry) == entry
            assert record.asset_materialization.metadata
            seen.add(name)
    assert seen == set(ASSETS) - NOT_IN_AN_EVALUATION


def test_a_record_about_something_else_is_refused(opened):
    home, instance = opened
    digest = newest(instance, GATE_REPORT, REFUSED_KEY).digest
    with pytest.raises(EvidenceContradictionError, match=REFUSED):
        read_record(home.store, GateReport, digest, location="gate_report", subject=KEY)


@pytest.mark.parametrize("version", ["", "1", "../../etc/passwd", "A" * 64])
def test_a_data_version_that_is_no_digest_is_refused(version, opened):
    home, instance = opened
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            CANDIDATE_SPEC, partition=PASSING, tags={"dagster/data_version": version}
        )
    )
    with pytest.raises(EvidenceContradictionError, match="digest of a record"):
        current_record(instance, home.store, CandidateSpec, CANDIDATE_SPEC, PASSING)


def test_a_digest_that_nothing_has_and_one_of_another_kind_are_refused(opened):
    home, instance = opened
    where = {"location": "here", "subject": KEY}
    with pytest.raises(EvidenceMissingError):
        read_record(home.store, GateReport, "0" * 64, **where)
    metrics = newest(instance, BACKTEST_METRICS, KEY).digest
    assert read_record(home.store, BacktestMetrics, metrics, **where).digest == metrics
    with pytest.raises((EvidenceError, ValueError)):
        read_record(home.store, GateReport, metrics, **where)
