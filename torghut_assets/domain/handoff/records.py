"""Implementation specifications, and the report of the checks that were run on one.

`parse.parse_implementation_spec` turns a YAML manifest into an `ImplementationSpec`.
"""

from typing import ClassVar, Final, Literal

from pydantic import Field

from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.records import Digest, Part, Record
from torghut_assets.domain.stages.config import Name

API_VERSION: Final = "torghut-assets/v1"
KIND: Final = "ImplementationSpec"


class Metadata(Part):
    """Whose specification it is, and which files are theirs to change."""

    name: str = Field(min_length=1)
    owners: tuple[str, ...] = Field(min_length=1)
    owned_areas: tuple[str, ...] = Field(min_length=1)


class CommonValues(Part):
    """What every contract holds. Paths are relative to the repository."""

    repository: str = Field(min_length=1, max_length=100)
    base: str = Field(min_length=1, max_length=100)
    head: str = Field(min_length=1, max_length=100)
    design_doc: str
    pipeline_config_path: str
    artifact_path: str


class StageContract(Part):
    """The words that go into a stage and come out of it, as `pipeline.yaml` calls them."""

    stage: Name
    inputs: tuple[Name, ...] = Field(min_length=1)
    outputs: tuple[Name, ...] = Field(min_length=1)


class StageOutputs(Part):
    """What a stage leaves that an audit pack must hold."""

    stage: Name
    outputs: tuple[Name, ...] = Field(min_length=1)


class LaneValues(CommonValues):
    """Contract of a lane: the stages it carries."""

    stages: tuple[StageContract, ...] = Field(min_length=1)


class AuditValues(CommonValues):
    """Contract of the audit lane: the stages whose outputs it packs."""

    evidence_of: tuple[StageOutputs, ...] = Field(min_length=1)


class Contract(Part):
    """Keys that a contract must have, and their values."""

    required_keys: tuple[str, ...] = Field(min_length=1)
    values: LaneValues | AuditValues | CommonValues


class ImplementationSpec(Record):
    """One manifest: who implements what, by which contract."""

    record_kind: ClassVar[str] = "implementation-spec"

    api_version: Literal["torghut-assets/v1"]
    kind: Literal["ImplementationSpec"]
    metadata: Metadata
    contract: Contract

    @property
    def name(self) -> str:
        """Name with its version, e.g. `torghut-v3-audit-pack-v1`."""
        return self.metadata.name

    @property
    def values(self) -> CommonValues:
        """Values of the contract."""
        return self.contract.values


class HandoffCheck(Part):
    """One thing that was tried, and every reason why it does not hold."""

    check: Name
    found: str = Field(min_length=1)
    refusals: tuple[str, ...]

    @property
    def holds(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.refusals


class HandoffReport(Record):
    """All checks of one specification on one state of the repository."""

    record_kind: ClassVar[str] = "handoff-report"

    spec_name: str = Field(min_length=1)
    spec_digest: Digest
    pipeline_digest: Digest | None
    head_commit: str | None
    checks: tuple[HandoffCheck, ...] = Field(min_length=1)

    @property
    def subject(self) -> str:
        """The specification's name."""
        return self.spec_name

    @property
    def refused(self) -> tuple[str, ...]:
        """Names of the checks that do not hold, in order."""
        return tuple(check.check for check in self.checks if not check.holds)


class ArtifactFile(Part):
    """One file of an artifact set."""

    path: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*$")
    sha256: Digest
    size_bytes: int = Field(ge=0)


class ArtifactSet(Record):
    """The files of one handoff run, by digest. The digest of this record names the set."""

    record_kind: ClassVar[str] = "handoff-artifact-set"

    spec_name: str = Field(min_length=1)
    report_digest: Digest
    files: tuple[ArtifactFile, ...] = Field(min_length=1)

    def require_same(self, found: "ArtifactSet", location: str) -> None:
        """Refuse files that are not those of this set.

        Parameters
        ----------
        found : ArtifactSet
            The set, with the files that are there now.
        location : str
            Where they are, for the message.

        Raises
        ------
        EvidenceContradictionError
            At the first file that is missing, changed or one too many.
        """
        expected = {file.path: file.sha256 for file in self.files}
        actual = {file.path: file.sha256 for file in found.files}
        for path in sorted(expected | actual):
            one, other = expected.get(path, "no such file"), actual.get(path, "no file")
            if one != other:
                raise EvidenceContradictionError(
                    location=f"{location}/{path}", found=one, expected=f"what is there, {other},"
                )
