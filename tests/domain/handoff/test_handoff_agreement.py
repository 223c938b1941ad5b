"""A bundle is complete only if every manifest says what the pipeline file says."""

import pytest
from manifest_examples import AUDIT, DAG, FOLDER, LANE, NAMES, ROOT, changed, manifest

from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.handoff.agreement import completeness, disagreements
from torghut_assets.domain.handoff.parse import parse_implementation_spec
from torghut_assets.domain.handoff.records import (
    ArtifactFile,
    ArtifactSet,
    HandoffCheck,
    HandoffReport,
)
from torghut_assets.domain.stages.loader import load_pipeline

VALUES = "spec.contract.values"


@pytest.fixture(scope="module")
def pipeline():
    return load_pipeline((ROOT / "torghut_assets/config/pipeline.yaml").read_bytes())


@pytest.fixture
def bundle():
    specs = {
        name: parse_implementation_spec((FOLDER / f"{name}.yaml").read_bytes(), location=name)
        for name in NAMES
    }
    return specs.pop(DAG), specs


def spec_with(name, path, value=None, *, delete=False):
    payload = changed(manifest(name), path, value, delete=delete)
    return parse_implementation_spec(payload, location=name)


def test_the_shipped_bundle_is_complete(bundle, pipeline):
    dag, lanes = bundle
    assert completeness(dag, lanes, pipeline) == ()
    assert disagreements(dag, pipeline) == ()


@pytest.mark.parametrize("name", [name for name in NAMES if name != DAG])
def test_every_missing_manifest_is_noticed(bundle, pipeline, name):
    dag, lanes = bundle
    lanes.pop(name)
    assert f"the manifest of {name} is missing" in completeness(dag, lanes, pipeline)


def test_every_word_of_every_contract_is_compared(bundle, pipeline):
    """Each word is left out once, renamed once; the pipeline notices both, by name."""
    tried = 0
    for name in bundle[1]:
        key = "evidenceOf" if name == AUDIT else "stages"
        for stage, sides in manifest(name)["spec"]["contract"]["values"][key].items():
            for side, words in sides.items():
                for i, word in enumerate(words):
                    where = f"{VALUES}.{key}.{stage}.{side}"
                    other = spec_with(name, f"{where}.{i}", "another_word")
                    lacks = f"{name}: {stage} {side} lack {word}, which the pipeline has"
                    names = f"{name}: {stage} {side} name another_word, which the pipeline has not"
                    assert set(disagreements(other, pipeline)) == {lacks, names}
                    twice = spec_with(name, where, [*words, word])
                    assert disagreements(twice, pipeline) == (
                        f"{name}: {stage} {side} name {word} 2 times",
                    )
                    tried += 1
    terms = [len(stage.inputs) + 2 * len(stage.outputs) for stage in pipeline.stages]
    assert tried == sum(terms)


def test_a_stage_that_is_left_out_is_noticed_twice(bundle, pipeline):
    dag, lanes = bundle
    lanes[LANE] = spec_with(LANE, f"{VALUES}.stages.continuous_monitoring", delete=True)
    assert set(completeness(dag, lanes, pipeline)) == {
        f"{LANE}: stages lack continuous_monitoring, which the pipeline has",
        "continuous_monitoring is carried by 0 lanes, not by one",
    }


def test_a_stage_that_does_not_exist_or_is_of_another_lane_is_noticed(pipeline):
    stages = manifest(LANE)["spec"]["contract"]["values"]["stages"]
    stages["moon_landing"] = stages["live_ramp_stage_1"]
    found = disagreements(spec_with(LANE, f"{VALUES}.stages", stages), pipeline)
    assert f"{LANE}: moon_landing is no stage of the pipeline" in found
    assert f"{LANE}: stages name moon_landing, which the pipeline has not" in found


@pytest.mark.parametrize(
    ("key", "field"),
    [
        ("repository", "repository"),
        ("base", "base"),
        ("head", "head"),
        ("pipelineConfigPath", "pipeline_config_path"),
    ],
)
def test_a_lane_about_something_else_is_noticed(bundle, pipeline, key, field):
    dag, lanes = bundle
    lanes[LANE] = spec_with(LANE, f"{VALUES}.{key}", "other")
    whole = getattr(dag.values, field)
    assert completeness(dag, lanes, pipeline) == (
        f"{LANE}: {field} is other, of the whole it is {whole}",
    )


def test_a_manifest_under_another_name_a_second_whole_and_a_shared_folder_are_noticed(
    bundle, pipeline
):
    dag, lanes = bundle
    found = completeness(dag, {**lanes, "copy": lanes[LANE]}, pipeline)
    assert f"the manifest of {LANE} is filed as copy" in found
    assert "live_ramp_stage_1 is carried by 2 lanes, not by one" in found
    assert any(line.startswith("2 specifications write their artifacts to") for line in found)
    assert f"{DAG} is not a lane" in completeness(dag, {**lanes, DAG: dag}, pipeline)


def test_a_report_refuses_by_the_checks_that_refuse():
    def report(*refusals):
        checks = tuple(
            HandoffCheck(check=f"check_{i}", found="x", refusals=each)
            for i, each in enumerate(refusals)
        )
        return HandoffReport(
            spec_name=DAG,
            spec_digest="0" * 64,
            pipeline_digest=None,
            head_commit=None,
            checks=checks,
        )

    assert report((), ()).refused == ()
    assert report((), ("no",), ("no", "never")).refused == ("check_1", "check_2")
    assert report(()).subject == DAG


def files(**contents):
    return tuple(
        ArtifactFile(path=name, sha256=digest * 64, size_bytes=1)
        for name, digest in contents.items()
    )


@pytest.mark.parametrize(
    ("there", "named"),
    [
        (files(a="1", b="2", c="3"), "/c"),
        (files(a="1"), "/b"),
        (files(a="1", b="3"), "/b"),
    ],
)
def test_a_file_too_many_missing_or_changed_is_named(there, named):
    claimed = ArtifactSet(spec_name=DAG, report_digest="0" * 64, files=files(a="1", b="2"))
    claimed.require_same(claimed, "set")
    with pytest.raises(EvidenceContradictionError, match=f"set{named}"):
        claimed.require_same(claimed.model_copy(update={"files": there}), "set")
