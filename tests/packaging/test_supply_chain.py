"""What is shipped and what it rests on: bill of materials, licences, audit, same bytes."""

import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from torghut_assets.resources.artifact_store import digest_of_file

CHECKOUT = Path(__file__).parents[2]
EXTRAS = ("", "advisory", "alpaca", "anchors", "docs", "lineage", "team", "warehouse")
REFUSED = re.compile(
    r"AGPL|Affero|\bGPL|(?<!Lesser )General Public License|SSPL|Server Side Public|BUSL|"
    r"Business Source|Commons Clause|Elastic License|source.available|Proprietary",
    re.IGNORECASE,
)
CHOICE = {"text-unidecode": "Artistic License"}
"""Packages that offer several licences, with the one that is taken."""


def runtime_packages():
    """Every installed package that the base or an extra for use needs, directly or not."""
    seen = {}

    def take(name, extras):
        key = canonicalize_name(name)
        new = set(extras) - seen.get(key, set())
        try:
            found = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            return  # for another system
        if new:
            seen.setdefault(key, set()).update(new)
            for needed in map(Requirement, found.requires or ()):
                if any(needed.marker is None or needed.marker.evaluate({"extra": e}) for e in new):
                    take(needed.name, ("", *needed.extras))

    take("torghut-assets", EXTRAS)
    return sorted(seen)


def licences(name):
    metadata = importlib.metadata.metadata(name)
    classifiers = [c for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
    stated = [metadata.get("License-Expression"), (metadata.get("License") or "")[:200]]
    return [words for words in (*stated, *classifiers) if words]


def test_nothing_at_run_time_is_copyleft_or_source_available():
    packages = runtime_packages()
    assert len(packages) > 100
    for name in packages:
        stated = licences(name)
        assert stated, f"{name} states no licence"
        if name in CHOICE:
            assert CHOICE[name] in stated
        else:
            assert not [words for words in stated if REFUSED.search(words)], name


@pytest.mark.parametrize(
    "words",
    [
        "AGPL-3.0-only",
        "GPL-2.0-or-later",
        "GNU General Public License v3 (GPLv3)",
        "License :: OSI Approved :: GNU Affero General Public License v3",
        "SSPL-1.0",
        "Business Source License 1.1",
        "Elastic License 2.0",
    ],
)
def test_the_licence_check_knows_what_it_refuses(words):
    assert REFUSED.search(words)
    for fine in ("MIT", "Apache-2.0", "LGPL-3.0-only", "GNU Lesser General Public License v3"):
        assert not REFUSED.search(fine)


@pytest.fixture(scope="module")
def audit():
    spec = importlib.util.spec_from_file_location(
        "audit_dependencies", CHECKOUT / ".ci" / "audit_dependencies.py"
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_audit_that_asked_nobody_is_not_a_pass(audit):
    clean = {"name": "a", "version": "1", "vulns": []}
    bad = {"name": "b", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}
    skipped = {"name": "c", "skip_reason": "Dependency not found on PyPI"}
    assert audit.verdict({"dependencies": [clean]})[0] == 0
    assert audit.verdict({"dependencies": [clean, bad]})[0] == 1
    assert audit.verdict({"dependencies": [skipped, bad]})[0] == 1
    assert audit.verdict({"dependencies": [clean, skipped]})[0] == 3
    assert audit.verdict({"dependencies": []})[0] == 3
    assert audit.verdict({})[0] == 3
    assert "b 1: CVE-1, fixed in 2" in audit.verdict({"dependencies": [bad]})[1]


@pytest.mark.heavy
def test_the_bill_of_materials_names_every_pinned_package(tmp_path):
    out = tmp_path / "sbom.json"
    command = [Path(sys.executable).parent / "cyclonedx-py", "requirements", "requirements.lock"]
    command += ["--pyproject", "pyproject.toml", "--output-reproducible", "--validate"]
    subprocess.run([*command, "--of", "JSON", "-o", out], cwd=CHECKOUT, check=True, timeout=600)
    found = json.loads(out.read_bytes())
    assert found["bomFormat"] == "CycloneDX"
    assert found["metadata"]["component"]["name"] == "torghut-assets"
    pins = re.findall(r"^(\S+)==(\S+)", (CHECKOUT / "requirements.lock").read_text(), re.MULTILINE)
    named = {(part["name"], part["version"]) for part in found["components"]}
    assert named == {(name.split("[")[0], version) for name, version in pins}
    assert all(part["externalReferences"][0]["hashes"] for part in found["components"])


@pytest.mark.heavy
def test_the_wheel_has_the_same_bytes_wherever_and_whenever_it_is_built(tmp_path):
    epoch = re.search(r"SOURCE_DATE_EPOCH=(\d+)", (CHECKOUT / "Makefile").read_text()).group(1)
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    digests = set()
    for number, folder in enumerate((tmp_path / "a", tmp_path / "another" / "place")):
        for name in filter(None, tracked if number else reversed(tracked)):
            if not (CHECKOUT / name).is_file() or name.startswith(("tests/", "docs/")):
                continue
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(CHECKOUT / name, target)
            os.utime(target, (1_000_000_000 * (number + 1),) * 2)
        subprocess.run(
            [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
             "-w", folder / "dist", folder],
            env={**os.environ, "SOURCE_DATE_EPOCH": epoch}, check=True, timeout=600,
        )  # fmt: skip
        (wheel,) = (folder / "dist").glob("*.whl")
        digests.add((wheel.name, digest_of_file(wheel)))
    assert len(digests) == 1
