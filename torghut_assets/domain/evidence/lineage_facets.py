"""Our own OpenLineage facets: the digest of a dataset's version, and of the code of a job.

Their JSON Schemas are published with the others; `_schemaURL` names them. A field without a
value is left out, as everywhere in OpenLineage.

References
----------
OpenLineage specification, custom facets (https://openlineage.io/docs/spec/facets/custom-facets).
"""

from typing import Final, Literal

from pydantic import ConfigDict, Field

from torghut_assets.domain.records import Digest, Part

DIGEST_FACET: Final = "openlineage-digest-facet.v1"
CODE_FACET: Final = "openlineage-code-facet.v1"


def schema_urn(name: str) -> str:
    """Return the URI that names a published schema; it is a name, not an address."""
    return f"urn:torghut-assets:{name.replace('.', ':')}"


class Facet(Part):
    """What every facet has: who made it, and which schema it follows."""

    model_config = ConfigDict(populate_by_name=True)

    producer: str = Field(alias="_producer", min_length=1)
    schema_url: str = Field(alias="_schemaURL", min_length=1)


class DigestFacet(Facet):
    """Facet of a dataset: the record that it holds in this version, and its signed statement."""

    algorithm: Literal["sha256"] = "sha256"
    digest: Digest
    asset: str = Field(min_length=1, max_length=80)
    partition: str | None = Field(default=None, max_length=200)
    statementDigest: Digest | None = None  # noqa: N815 - facets are written in camel case
    ledgerSequence: int | None = Field(default=None, ge=1)  # noqa: N815


class CodeFacet(Facet):
    """Facet of a job: the package, and the digest of the code that the run's statements name."""

    package: str = Field(min_length=1, max_length=80)
    codeDigest: Digest | None = None  # noqa: N815
