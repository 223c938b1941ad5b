"""What is taken out of a pack is gone, and what is left is proven by the same signature."""

import json
import shutil

import pytest
from click.testing import CliRunner
from evaluated_examples import PASSING, SNAPSHOT
from pack_examples import checked, contents_of, summed, written

from torghut_assets.cli.audit_export import export
from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.manifest import MANIFEST, REDACTION, REPORT
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.pack_redaction import redact_pack


@pytest.fixture(scope="module")
def whole(evaluated_home, tmp_path_factory):
    folder = tmp_path_factory.mktemp("redaction")
    shutil.copytree(evaluated_home, folder / "home")
    environment = {"TORGHUT_HOME": str(folder / "home"), "DAGSTER_HOME": ""}
    arguments = [PASSING, "--snapshot", SNAPSHOT, "--out", str(folder / "pack.zip")]
    done = CliRunner(env=environment).invoke(export, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    return folder / "pack.zip"


@pytest.fixture
def redacted(whole, tmp_path):
    redact_pack(whole, ("thesis",), tmp_path / "redacted.zip")
    return tmp_path / "redacted.zip"


def fault_of(path):
    with pytest.raises(PackFaultError) as caught:
        checked(path)
    return caught.value.fault


def test_the_text_is_gone_and_the_same_manifest_holds(whole, redacted):
    spec = next(
        json.loads(payload)["record"]
        for payload in contents_of(whole).values()
        if payload.startswith(b'{"kind":"candidate-spec"')
    )
    assert spec["thesis"].encode() in whole.read_bytes()
    left = redacted.read_bytes()
    for hidden in (spec["thesis"], spec["title"], spec["feature_hypotheses"][0]["hypothesis"]):
        assert hidden.encode() not in left
    assert contents_of(redacted)[MANIFEST] == contents_of(whole)[MANIFEST]
    found = checked(redacted)
    assert list(found.redacted.values()) == [
        ["expected_regimes", "feature_hypotheses", "thesis", "title"]
    ]
    assert any("gate-report" in text for text in found.not_decided)
    assert [one.kind for one in found.decisions] == ["trial-count"]


def edited(redacted, tmp_path, edit):
    contents = contents_of(redacted)
    name = next(n for n in contents if n.startswith("redacted/"))
    document = json.loads(contents[name])
    edit(document["record"])
    contents[name] = json.dumps(
        document, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode()
    return written(tmp_path / "edited.zip", summed(contents))


@pytest.mark.parametrize(
    "edit",
    [
        lambda r: r["shown"]["author"].update(value="Somebody Else"),
        lambda r: r["shown"]["author"].update(salt="0" * 64),
        lambda r: r["shown"].pop("author"),
        lambda r: r["hidden"].update(thesis="0" * 64),
        lambda r: r["hidden"].update(more="0" * 64),
        lambda r: r["hidden"].update(author="0" * 64),
    ],
)
def test_a_shown_field_cannot_be_changed(redacted, tmp_path, edit):
    assert fault_of(edited(redacted, tmp_path, edit)) is PackFault.COMMITMENT_DIFFERS


def test_the_note_of_a_redaction_excuses_nothing_else(whole, redacted, tmp_path):
    contents = contents_of(whole)
    del contents[REPORT]
    note = b'{"candidate_id":"' + PASSING.encode() + b'","groups":["thesis"]}'
    with_note = written(tmp_path / "1.zip", summed({**contents, REDACTION: note}))
    assert fault_of(with_note) is PackFault.MALFORMED
    contents = contents_of(redacted)
    contents[REDACTION] = note.replace(b"thesis", b"parameters")
    other = written(tmp_path / "2.zip", summed(contents))
    assert fault_of(other) is PackFault.COMMITMENT_DIFFERS


def test_what_was_redacted_or_has_nothing_to_redact_is_refused(whole, redacted, tmp_path):
    with pytest.raises(BadInputError):
        redact_pack(redacted, ("parameters",), tmp_path / "twice.zip")
    with pytest.raises(BadInputError):
        redact_pack(whole, ("order-sizes",), tmp_path / "none.zip")
    assert not (tmp_path / "none.zip").exists()
