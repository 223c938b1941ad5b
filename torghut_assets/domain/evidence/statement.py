"""in-toto Statements: what is said about which bytes.

A statement has subjects (names with the SHA-256 of records or files), a kind, and a predicate,
which is a record in its canonical form: the SHA-256 of the predicate is the record's digest.
`MAY_SIGN` says whose word counts for which kind; a runner never approves.

References
----------
in-toto Attestation Framework, Statement layer v1 (https://github.com/in-toto/attestation).
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar

from pydantic import ConfigDict, Field, ValidationError

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.errors import BadInputError, EvidenceError
from torghut_assets.domain.evidence.dsse import Envelope
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.records import Digest, Part, Record, first_problem

STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_PREFIX: Final = "https://torghut.dev/attestations/"
PREDICATE_SUFFIX: Final = "/v1"

Role = Literal["runner", "gate", "person"]
RecordT = TypeVar("RecordT", bound=Record)

_RUNNER: Final[frozenset[Role]] = frozenset({"runner"})
_PERSON: Final[frozenset[Role]] = frozenset({"person"})

MAY_SIGN: Final[Mapping[str, frozenset[Role]]] = {
    "policy": _RUNNER,
    "candidate-spec": _RUNNER,
    "dataset-snapshot": _RUNNER,
    "trial-ticket": _RUNNER,
    "strategy-build": _RUNNER,
    "target-weights": _RUNNER,
    "backtest": _RUNNER,
    "stress": _RUNNER,
    "overfit": _RUNNER,
    "reproduction": _RUNNER,
    "gate-report": frozenset({"gate"}),
    "research-feedback": _RUNNER,
    "receipt": frozenset({"runner", "gate"}),
    "approval": _PERSON,
    "deployment": _RUNNER,
    "order-batch": _RUNNER,
    "tca": _RUNNER,
    "drift": frozenset({"runner", "gate"}),
    "ramp": frozenset({"runner", "gate"}),
    "ramp-stage": _RUNNER,
    "kill": frozenset({"runner", "person"}),
    "incident": _RUNNER,
    "rollback": _RUNNER,
    "restore-drill": _RUNNER,
    "drill": _RUNNER,
    "runbook": _PERSON,
    "advisory": _RUNNER,
    "audit-pack": _RUNNER,
    "control-evidence": _RUNNER,
    "tombstone": _RUNNER,
    "legal-hold": _PERSON,
    "hold-release": _PERSON,
    "key-registration": frozenset({"runner", "gate", "person"}),
    "key-revocation": _PERSON,
}
"""Every kind of statement, and the roles of the keys that may sign it."""


class Subject(Part):
    """What a statement is about: a name, and the SHA-256 of the bytes."""

    name: str = Field(min_length=1, max_length=200)
    digest: dict[Literal["sha256"], Digest] = Field(min_length=1)


class RecordForm(Part):
    """A record as its canonical form writes it, of whatever kind."""

    kind: str = Field(min_length=1, max_length=80)
    record: dict[str, Any]
    version: int = Field(ge=1)


class RecordMade(Record):
    """Predicate of a statement that a record was made: by which code, from what, by whom.

    The subjects are the record itself, named `record`, and the files that it names. `inputs`
    is everything that was read to make it, `policies` the settings that it was judged by.
    `late` says that the statement was written after the fact, because the one that belongs
    before the event was missing: it proves that the bytes were there by then, not before.
    """

    record_kind = "record-made"

    asset: str = Field(min_length=1, max_length=80)
    partition: str | None
    record_kind_made: str = Field(min_length=1, max_length=80)
    record_version_made: int = Field(ge=1)
    inputs: dict[str, Digest]
    policies: dict[str, Digest]
    code_digest: Digest
    run_id: str | None = Field(max_length=80)
    actor: str = Field(min_length=1, max_length=80)
    verdict: str | None
    late: bool


class Statement(Part):
    """An in-toto Statement v1 with a predicate type of this project."""

    model_config = ConfigDict(populate_by_name=True)

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[Subject, ...] = Field(min_length=1, max_length=20_000)
    predicateType: str = Field(max_length=200)  # noqa: N815 - the name that in-toto gives it
    predicate: RecordForm

    @property
    def kind(self) -> str:
        """Kind in the predicate type, e.g. `gate-report`."""
        return self.predicateType.removeprefix(PREDICATE_PREFIX).removesuffix(PREDICATE_SUFFIX)

    @property
    def subjects(self) -> dict[str, str]:
        """SHA-256 by name."""
        return {subject.name: subject.digest["sha256"] for subject in self.subject}

    @property
    def record_digest(self) -> str:
        """Digest of the record that is the predicate."""
        return sha256_hex(canonical_json(self.predicate.model_dump(mode="json")))

    def canonical_bytes(self) -> bytes:
        """Return the payload of the envelope."""
        return canonical_json(self.model_dump(mode="json", by_alias=True))

    def record(self, model: type[RecordT], *, location: str) -> RecordT:
        """Return the predicate as a record.

        Raises
        ------
        EvidenceRefusedError
            With `predicate_malformed` if it is none of this type.
        """
        payload = canonical_json(self.predicate.model_dump(mode="json"))
        try:
            return model.from_canonical_bytes(payload, location=location)
        except EvidenceError as error:
            raise EvidenceRefusedError(
                Fault.PREDICATE_MALFORMED, location=location, detail=str(error).rstrip(".")
            ) from error


def predicate_type(kind: str) -> str:
    """Return the URI that names a kind of statement; it is a name, not an address.

    Raises
    ------
    BadInputError
        If there is no such kind.
    """
    if kind not in MAY_SIGN:
        raise BadInputError(
            location="kind of statement", found=ascii(kind)[:60], expected=f"one of {[*MAY_SIGN]}"
        )
    return f"{PREDICATE_PREFIX}{kind}{PREDICATE_SUFFIX}"


def statement_about(kind: str, subjects: Mapping[str, str], predicate: Record) -> Statement:
    """Return the statement of a kind about some subjects.

    Parameters
    ----------
    kind : str
        One of `MAY_SIGN`.
    subjects : mapping of str to str
        SHA-256 by name, at least one; written in order of names.
    predicate : Record
        What is said about them.

    Raises
    ------
    BadInputError
        If the kind is unknown, there is no subject, or one has no digest.
    """
    named = predicate_type(kind)
    try:
        return Statement(
            _type=STATEMENT_TYPE,
            subject=tuple(
                Subject(name=name, digest={"sha256": digest})
                for name, digest in sorted(subjects.items())
            ),
            predicateType=named,
            predicate=RecordForm(
                kind=predicate.record_kind,
                record=predicate.model_dump(mode="json"),
                version=predicate.record_version,
            ),
        )
    except ValidationError as error:
        raise BadInputError(
            location=f"statement of kind {kind}",
            found=first_problem(error),
            expected="named subjects with digests, and a record",
        ) from error


def read_statement(envelope: Envelope, *, location: str) -> Statement:
    """Return the statement in an envelope. Its signatures are another question.

    Raises
    ------
    EvidenceRefusedError
        If the payload is of another type, not canonical, or no statement of a known kind.
    """
    envelope.statement_data(location=location)
    try:
        statement = Statement.model_validate_json(envelope.payload_bytes)
    except ValidationError as error:
        raise EvidenceRefusedError(
            Fault.STATEMENT_MALFORMED, location=location, detail=first_problem(error)
        ) from error
    names = [subject.name for subject in statement.subject]
    if names != sorted(set(names)):
        raise EvidenceRefusedError(
            Fault.STATEMENT_MALFORMED,
            location=location,
            detail="subjects are not in order of names, each once",
        )
    known = statement.kind in MAY_SIGN
    if not known or statement.predicateType != predicate_type(statement.kind):
        raise EvidenceRefusedError(
            Fault.STATEMENT_OF_OTHER_KIND,
            location=location,
            detail=f"found {ascii(statement.predicateType)[:120]}, expected a kind of this project",
        )
    return statement
