"""The files of a handoff: the repository that a manifest is about, and its artifact sets.

An artifact set is a folder that appears whole or not at all. Its name is the digest of its
`digests.json`, which names every other file by digest; a set is never changed or replaced.
"""

import os
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import torghut_assets
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.documents import MAX_BYTES
from torghut_assets.domain.errors import BadInputError, EvidenceContradictionError
from torghut_assets.domain.handoff.parse import (
    ManifestRefusedError,
    Problem,
    parse_implementation_spec,
)
from torghut_assets.domain.handoff.paths import area_root
from torghut_assets.domain.handoff.records import ArtifactFile, ArtifactSet, ImplementationSpec

DIGESTS: Final = "digests.json"
_CODE_SUFFIXES: Final = (".py", ".yaml", ".json")
_GIT_SECONDS: Final = 20


@dataclass(frozen=True)
class Repository:
    """A checkout of this project; `root` is resolved."""

    root: Path

    @classmethod
    def around(cls, file: Path) -> Self:
        """Return the nearest folder above a file that has a `pyproject.toml`.

        Raises
        ------
        BadInputError
            If there is none.
        """
        for folder in file.resolve().parents:
            if (folder / "pyproject.toml").is_file():
                return cls(folder)
        raise BadInputError(
            location=str(file),
            found="no pyproject.toml in any folder above it",
            expected="a manifest inside its repository",
            action="Name the repository with --repository.",
        )

    @property
    def name(self) -> str:
        """Name of the project, as its `pyproject.toml` says it."""
        path = self.root / "pyproject.toml"
        try:
            name = tomllib.loads(path.read_text(encoding="utf-8"))["project"]["name"]
        except (OSError, ValueError, KeyError) as error:
            raise BadInputError(
                location=str(path), found=type(error).__name__, expected="[project] with a name"
            ) from error
        return str(name)

    def inside(self, relative: str) -> Path | None:
        """Return where a path leads, links followed; `None` if that is not inside."""
        path = (self.root / relative).resolve()
        return path if path.is_relative_to(self.root) else None

    def read_spec(self, path: Path) -> ImplementationSpec:
        """Read a manifest and see that everything it names is in this repository.

        Raises
        ------
        ManifestRefusedError, DocumentRefusedError
            If it is no specification, or names what is not here.
        """
        with path.open("rb") as handle:
            payload = handle.read(MAX_BYTES + 1)
        spec = parse_implementation_spec(payload, location=path.name)
        if problems := tuple(self._absent(spec)):
            raise ManifestRefusedError(path.name, problems)
        return spec

    def _absent(self, spec: ImplementationSpec) -> Iterator[Problem]:
        values, where = spec.values, "spec.contract.values"
        if values.repository != self.name:
            yield Problem("wrong_value", f"{where}.repository", values.repository, self.name)
        named = [
            (f"{where}.designDoc", values.design_doc, True),
            (f"{where}.pipelineConfigPath", values.pipeline_config_path, True),
            (f"{where}.artifactPath", values.artifact_path, False),
        ]
        areas = enumerate(spec.metadata.owned_areas)
        named += [(f"metadata.ownedAreas.{i}", area_root(area), True) for i, area in areas]
        for field, relative, must_exist in named:
            path = self.inside(relative)
            if path is None:
                expected = "a path inside the repository, links followed"
                yield Problem("outside_repository", field, relative, expected)
            elif must_exist and not path.exists():
                yield Problem("not_there", field, relative, "a path that exists")

    def files_of(self, area: str) -> tuple[Path, ...]:
        """Return the files of an owned area, in order."""
        root = self.inside(area_root(area))
        if root is None:
            return ()
        found = [root] if root.is_file() else sorted(root.rglob("*"))
        return tuple(p for p in found if p.is_file() and "__pycache__" not in p.parts)

    def code_that_differs(self) -> tuple[int, tuple[str, ...]]:
        """Compare the code that runs with the repository's.

        Returns
        -------
        int
            How many files were compared.
        tuple of str
            Those that are not alike, relative to the root.
        """
        running = Path(torghut_assets.__file__).resolve().parent
        own = [p for p in self.files_of("torghut_assets/**") if p.suffix in _CODE_SUFFIXES]
        differing = []
        for path in own:
            other = running / path.relative_to(self.root / "torghut_assets")
            if not other.is_file() or other.read_bytes() != path.read_bytes():
                differing.append(path.relative_to(self.root).as_posix())
        return len(own), tuple(differing)

    def commit_of(self, revision: str) -> str | None:
        """Return the commit that a revision names; `None` without git or such a revision."""
        git = shutil.which("git")
        if git is None:
            return None
        done = subprocess.run(  # noqa: S603 - the revision is a plain name, and no shell reads it
            [git, "-C", str(self.root), "rev-parse", "--verify", "-q", f"{revision}^{{commit}}"],
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=False,
        )
        return done.stdout.strip() or None


def write_artifact_set(
    folder: Path, spec_name: str, report_digest: str, files: Mapping[str, bytes]
) -> Path:
    """Write the files of one run below `folder`, once, and return where they are.

    Raises
    ------
    EvidenceContradictionError
        If there is a folder of that name with something else in it.
    """
    artifacts = _artifact_set(spec_name, report_digest, files)
    target = folder / artifacts.digest
    folder.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        for name, payload in {**files, DIGESTS: artifacts.canonical_bytes()}.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as handle:
                handle.write(payload)
                handle.flush()
                os.fsync(handle.fileno())
        temporary.chmod(0o755)
        if not target.exists():
            temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    verify_artifact_set(target)
    return target


def verify_artifact_set(folder: Path) -> ArtifactSet:
    """Return what an artifact set says it is, after every byte of it was read again.

    Raises
    ------
    EvidenceError
        If a file is missing, changed or one too many, or the set is not what its name says.
    """
    path = folder / DIGESTS
    if not path.is_file():
        raise EvidenceContradictionError(
            location=str(path), found="no such file", expected="the digests of an artifact set"
        )
    payload = path.read_bytes()
    if (digest := sha256_hex(payload)) != folder.resolve().name:
        raise EvidenceContradictionError(
            location=str(path), found=digest, expected=f"{folder.resolve().name}, the folder's name"
        )
    claimed = ArtifactSet.from_canonical_bytes(payload, location=str(path))
    present = {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file != path
    }
    claimed.require_same(
        _artifact_set(claimed.spec_name, claimed.report_digest, present), str(folder)
    )
    return claimed


def _artifact_set(spec_name: str, report_digest: str, files: Mapping[str, bytes]) -> ArtifactSet:
    return ArtifactSet(
        spec_name=spec_name,
        report_digest=report_digest,
        files=tuple(
            ArtifactFile(path=name, sha256=sha256_hex(payload), size_bytes=len(payload))
            for name, payload in sorted(files.items())
        ),
    )
