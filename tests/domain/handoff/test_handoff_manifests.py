"""Manifests are read strictly: whatever is wrong with one is named, and all of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from manifest_examples import AUDIT, DAG, FOLDER, LANE, NAMES, changed, manifest

from torghut_assets.domain.errors import DocumentRefusedError
from torghut_assets.domain.handoff.catalogue import CATALOGUE, lane_names, split_name
from torghut_assets.domain.handoff.parse import ManifestRefusedError, parse_implementation_spec
from torghut_assets.domain.handoff.paths import is_plain, leaves_repository
from torghut_assets.domain.handoff.records import ImplementationSpec
from torghut_assets.domain.stages.config import STAGES

VALUES = "spec.contract.values"
COMMON = ["repository", "base", "head", "designDoc", "pipelineConfigPath", "artifactPath"]


def problems_of(payload):
    with pytest.raises(ManifestRefusedError) as refused:
        parse_implementation_spec(payload, location="m.yaml")
    assert refused.value.exit_code == 4
    return {(problem.code, problem.field, problem.found) for problem in refused.value.problems}


def after(name, path, value=None, *, delete=False):
    return problems_of(changed(manifest(name), path, value, delete=delete))


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_manifest_is_a_specification_and_its_record_reads_back(name):
    spec = parse_implementation_spec((FOLDER / f"{name}.yaml").read_bytes(), location=name)
    assert spec.name == name
    assert spec.metadata.owners
    assert spec.metadata.owned_areas
    again = ImplementationSpec.from_canonical_bytes(spec.canonical_bytes(), location=name)
    assert again == spec
    assert type(again.values) is type(spec.values)


def test_the_catalogue_is_the_loop_and_eight_lanes_that_carry_each_stage_once():
    assert {f"{name}-v1" for name in CATALOGUE} == set(NAMES)
    assert set(lane_names()) == set(NAMES) - {DAG}
    audit = split_name(AUDIT)[0]
    carried = [stage for name, kind in CATALOGUE.items() if name != audit for stage in kind.stages]
    assert sorted(carried) == sorted(STAGES)
    assert CATALOGUE[audit].stages == STAGES
    assert list(CATALOGUE[split_name(DAG)[0]].required_keys) == COMMON


@pytest.mark.parametrize("key", COMMON)
@pytest.mark.parametrize("name", [DAG, LANE, AUDIT])
def test_a_missing_key_is_named_in_the_values_and_in_the_list(name, key):
    assert after(name, f"{VALUES}.{key}", delete=True) == {("missing_key", VALUES, f"no {key}")}
    listed = manifest(name)["spec"]["contract"]["requiredKeys"]
    listed.remove(key)
    assert after(name, "spec.contract.requiredKeys", listed) == {
        ("missing_key", "spec.contract.requiredKeys", f"no {key}")
    }


@pytest.mark.parametrize(
    "path",
    [
        "apiVersion",
        "kind",
        "metadata",
        "spec",
        "spec.contract",
        "spec.contract.values",
        "spec.contract.requiredKeys",
        "metadata.name",
        "metadata.owners",
        "metadata.ownedAreas",
    ],
)
def test_a_missing_part_is_named(path):
    above, _, key = path.rpartition(".")
    found = after(DAG, path, delete=True)
    assert ("missing_key", above or "manifest", f"no {key}") in found
    assert {code for code, _, _ in found} == {"missing_key"}


@pytest.mark.parametrize(
    "path",
    ["metadata", "spec", "spec.contract", VALUES, "spec.contract.requiredKeys"]
    + ["metadata.name", "metadata.owners", "metadata.ownedAreas", f"{VALUES}.repository"]
    + [f"{VALUES}.{key}" for key in COMMON],
)
@pytest.mark.parametrize("value", [None, 7, True, [], "", {}])
def test_a_value_of_another_type_is_refused_where_it_stands(path, value):
    found = after(DAG, path, value)
    assert any(field == path or field.startswith(f"{path}.") for _, field, _ in found)
    codes = {code for code, _, _ in found}
    assert codes <= {"wrong_type", "wrong_value", "missing_key", "unknown_spec"}


@pytest.mark.parametrize(
    ("name", "path", "expected"),
    [
        (DAG, "extra", ("unknown_field", "manifest", "'extra'")),
        (DAG, "spec.text", ("unknown_field", "spec", "'text'")),
        (DAG, "spec.contract.more", ("unknown_field", "spec.contract", "'more'")),
        (DAG, "metadata.labels", ("unknown_field", "metadata", "'labels'")),
        (DAG, f"{VALUES}.stages", ("unknown_field", VALUES, "'stages'")),
        (DAG, f"{VALUES}.design_doc", ("unknown_field", VALUES, "'design_doc'")),
        (
            LANE,
            f"{VALUES}.stages.live_ramp_stage_1.stage",
            ("unknown_field", f"{VALUES}.stages.0", "'stage'"),
        ),
        (
            LANE,
            f"{VALUES}.stages.live_ramp_stage_1.mood",
            ("unknown_field", f"{VALUES}.stages.0", "'mood'"),
        ),
    ],
)
def test_an_unknown_field_is_named(name, path, expected):
    assert after(name, path, "x") == {expected}


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("apiVersion", "torghut-assets/v2", "unknown_version"),
        ("apiVersion", 1, "unknown_version"),
        ("kind", "AgentRun", "unknown_spec"),
        ("metadata.name", "torghut-v3-loop-dag-impl-v2", "unknown_version"),
        ("metadata.name", "torghut-v3-coffee-v1", "unknown_spec"),
        ("metadata.name", "loop-dag", "unknown_spec"),
        ("metadata.name", "torghut-v3-loop-dag-impl-v1\n", "unknown_spec"),
    ],
)
def test_an_unknown_specification_or_version_is_named(path, value, code):
    assert {(found, field) for found, field, _ in after(DAG, path, value)} == {(code, path)}


@pytest.mark.parametrize("key", ["designDoc", "pipelineConfigPath", "artifactPath"])
@pytest.mark.parametrize(
    "path",
    ["../outside", "docs/../../outside", "/etc/passwd", "~/x", "C:/x", "a\\..\\b", "file://x"],
)
def test_a_path_outside_the_repository_is_named(key, path):
    found = after(DAG, f"{VALUES}.{key}", path)
    assert {(code, field) for code, field, _ in found} == {
        ("outside_repository", f"{VALUES}.{key}")
    }


@pytest.mark.parametrize("path", ["docs//x", "./docs", "docs/", "", "a b", "x" * 301, "$(id)", "é"])
def test_a_path_that_is_not_plain_is_refused(path):
    found = after(DAG, f"{VALUES}.designDoc", path)
    assert {code for code, _, _ in found} == {"wrong_value"}


def test_an_owned_area_outside_or_an_owner_that_is_no_team_is_named():
    assert after(DAG, "metadata.ownedAreas.0", "../**") == {
        ("outside_repository", "metadata.ownedAreas.0", "'..'")
    }
    assert after(DAG, "metadata.owners.0", "somebody") == {
        ("wrong_value", "metadata.owners.0", "'somebody'")
    }
    assert ("wrong_type", "metadata.owners.0", "5") in after(DAG, "metadata.owners.0", 5)


@pytest.mark.parametrize("key", ["base", "head", "repository"])
@pytest.mark.parametrize("value", ["--upload-pack=x", "main..other", "a b", "-x", "$(id)"])
def test_a_revision_that_git_would_read_as_something_else_is_refused(key, value):
    found = after(DAG, f"{VALUES}.{key}", value)
    assert {(code, field) for code, field, _ in found} == {("wrong_value", f"{VALUES}.{key}")}


def test_the_list_of_required_keys_is_exact():
    where = "spec.contract.requiredKeys"
    assert after(DAG, where, [*COMMON, "base"]) == {("wrong_value", where, "base twice")}
    assert after(DAG, where, [*COMMON, "stages"]) == {("unknown_field", where, "'stages'")}
    assert after(DAG, where, "repository") == {("wrong_type", where, "'repository'")}
    assert after(LANE, where, COMMON) == {("missing_key", where, "no stages")}


def test_a_stage_without_its_words_is_refused():
    stage = f"{VALUES}.stages.live_ramp_stage_1"
    assert ("wrong_type", f"{VALUES}.stages.0", "'x'") in after(LANE, stage, "x")
    assert ("missing_key", f"{VALUES}.stages.0", "no outputs") in after(
        LANE, f"{stage}.outputs", delete=True
    )
    assert {code for code, _, _ in after(LANE, f"{VALUES}.stages", {})} == {"wrong_value"}
    assert {code for code, _, _ in after(LANE, f"{VALUES}.stages", "x")} == {"wrong_type"}
    assert {code for code, _, _ in after(AUDIT, f"{VALUES}.evidenceOf", {})} == {"wrong_value"}


def test_every_problem_is_found_at_once_and_the_message_counts_the_rest():
    data = manifest(DAG)
    data["spec"]["contract"]["values"]["designDoc"] = "/etc/passwd"
    data["spec"]["contract"]["values"]["surprise"] = 1
    with pytest.raises(ManifestRefusedError, match="1 more") as refused:
        parse_implementation_spec(changed(data, "kind", "ImplementationSpec"), location="m")
    assert {problem.code for problem in refused.value.problems} == {
        "unknown_field",
        "outside_repository",
    }
    assert all(problem.field in str(problem) for problem in refused.value.problems)


@pytest.mark.parametrize("payload", [b"", b"- a", b"a: &x 1\nb: *x\n", b"kind: a\nkind: b\n"])
def test_yaml_that_is_no_plain_mapping_is_refused_before_it_is_read(payload):
    with pytest.raises(DocumentRefusedError):
        parse_implementation_spec(payload, location="m.yaml")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab/.~é", max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abK", min_size=1), inner),
    max_leaves=6,
)


@given(
    name=st.sampled_from([DAG, LANE, AUDIT]),
    path=st.sampled_from(
        ["apiVersion", "kind", "metadata", "spec", "metadata.name", "metadata.owners"]
        + ["metadata.ownedAreas", "spec.contract", "spec.contract.requiredKeys", VALUES]
        + [f"{VALUES}.{key}" for key in (*COMMON, "stages", "evidenceOf")]
    ),
    value=PLAIN,
)
def test_whatever_stands_anywhere_it_is_read_or_refused_never_an_error_of_another_kind(
    name, path, value
):
    try:
        spec = parse_implementation_spec(changed(manifest(name), path, value), location="m.yaml")
    except (ManifestRefusedError, DocumentRefusedError):
        return
    assert spec.name == name


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "", "~", "x:y", "\\"]), max_size=6))
def test_a_path_that_is_accepted_never_climbs(parts):
    path = "/".join(parts)
    if not leaves_repository(path) and is_plain(path):
        depth = [0]
        for part in parts:
            depth.append(depth[-1] + {"..": -1, ".": 0, "": 0}.get(part, 1))
        assert min(depth) >= 0
        assert depth[-1] == len(parts) > 0
