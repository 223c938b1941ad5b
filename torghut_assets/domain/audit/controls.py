"""The control map: which rule asks for what, and which evidence here speaks to it.

The map is configuration and says where evidence would lie; whether there is any is looked up in
a home each time. Nothing here says that a rule is complied with: that is a legal question about
a firm and its use of this software, and no program answers it.
"""

from collections.abc import Callable, Mapping
from typing import ClassVar, Final, Literal, Self

from pydantic import Field, model_validator

from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.records import Digest, Part, Record, parse_record

DISCLAIMER: Final = (
    "This is no legal advice and no claim of compliance. It lists where evidence for a requirement "
    "would lie in this software, and what of it this home holds. Requirements are paraphrased; "
    "read the rules themselves. Whether a rule applies, and is met, is for a firm and its counsel."
)

Status = Literal["evidence found", "evidence found in part", "NOT EVIDENCED"]


class Requirement(Part):
    """One requirement in our words, and where evidence for it would lie.

    No record kind means that nothing in this software speaks to it; `gap` then says what is
    missing, and may say so for the others, too.
    """

    requirement_id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{2,62}$")
    clause: str = Field(min_length=2, max_length=80)
    asks_for: str = Field(min_length=10, max_length=400)
    record_kinds: tuple[str, ...] = Field(max_length=12)
    checks: tuple[str, ...] = Field(max_length=12)
    commands: tuple[str, ...] = Field(max_length=12)
    gap: str | None = Field(default=None, min_length=10, max_length=400)

    @model_validator(mode="after")
    def _says_what_is_missing(self) -> Self:
        if not self.record_kinds and self.gap is None:
            raise ValueError(f"{self.requirement_id}: no record kind and no gap")
        for named in (self.record_kinds, self.checks, self.commands):
            if len(set(named)) != len(named):
                raise ValueError(f"{self.requirement_id}: something is listed twice")
        return self


class Rule(Part):
    """One rule with its requirements."""

    rule: str = Field(min_length=4, max_length=120)
    source: str = Field(pattern=r"^https://")
    requirements: tuple[Requirement, ...] = Field(min_length=1)


class ControlMap(Record):
    """All rules that are mapped. See `parse_control_map`."""

    record_kind: ClassVar[str] = "control-map"

    map_version: str = Field(min_length=1, max_length=20)
    rules: tuple[Rule, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_each_once(self) -> Self:
        names = [r.requirement_id for rule in self.rules for r in rule.requirements]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"listed twice: {', '.join(sorted(twice))}")
        return self

    @property
    def requirements(self) -> tuple[Requirement, ...]:
        """All requirements in order."""
        return tuple(r for rule in self.rules for r in rule.requirements)


class KindEvidence(Part):
    """How many records of a kind a home holds, and the newest of them."""

    record_kind_found: str
    count: int = Field(ge=0)
    newest: Digest | None

    @model_validator(mode="after")
    def _has_a_newest_if_any(self) -> Self:
        if (self.count == 0) != (self.newest is None):
            raise ValueError(f"{self.record_kind_found}: a count without a newest, or vice versa")
        return self


class RequirementEvidence(Part):
    """What a home holds for one requirement; its status is derived each time."""

    requirement_id: str
    evidence: tuple[KindEvidence, ...]

    @property
    def status(self) -> Status:
        """Whether there is evidence of every kind that the map names, of some, or of none."""
        held = sum(1 for each in self.evidence if each.count)
        if not held:
            return "NOT EVIDENCED"
        return "evidence found" if held == len(self.evidence) else "evidence found in part"


class ControlEvidenceMap(Record):
    """The map next to what a home holds."""

    record_kind: ClassVar[str] = "control-evidence-map"

    disclaimer: str
    control_map: ControlMap
    found: tuple[RequirementEvidence, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _answers_every_requirement(self) -> Self:
        asked = [(r.requirement_id, r.record_kinds) for r in self.control_map.requirements]
        answered = [
            (f.requirement_id, tuple(e.record_kind_found for e in f.evidence)) for f in self.found
        ]
        if asked != answered:
            raise ValueError("the answers are not those to the requirements, in order")
        return self

    @property
    def not_evidenced(self) -> tuple[str, ...]:
        """Requirements for which this home holds nothing."""
        return tuple(f.requirement_id for f in self.found if f.status == "NOT EVIDENCED")


def parse_control_map(payload: bytes, *, location: str = "control_map.yaml") -> ControlMap:
    """Parse the YAML document of a control map.

    Raises
    ------
    BadInputError
        With the first problem found; `location` says which document it is in.
    """
    return parse_record(ControlMap, parse_yaml(payload, location=location), location=location)


def evidence_for(
    control_map: ControlMap, counts: Mapping[str, int], newest: Callable[[str], str | None]
) -> ControlEvidenceMap:
    """Return the map next to what is held.

    Parameters
    ----------
    control_map : ControlMap
    counts : mapping of str to int
        Records held, by kind.
    newest : callable
        Returns the digest of the newest record of a kind.
    """
    return ControlEvidenceMap(
        disclaimer=DISCLAIMER,
        control_map=control_map,
        found=tuple(
            RequirementEvidence(
                requirement_id=requirement.requirement_id,
                evidence=tuple(
                    KindEvidence(
                        record_kind_found=kind,
                        count=counts.get(kind, 0),
                        newest=newest(kind) if counts.get(kind, 0) else None,
                    )
                    for kind in requirement.record_kinds
                ),
            )
            for requirement in control_map.requirements
        ),
    )


def unknown_names(
    control_map: ControlMap,
    *,
    record_kinds: frozenset[str],
    checks: frozenset[str],
    commands: frozenset[str],
) -> tuple[str, ...]:
    """Return everything that the map names and that does not exist."""
    missing = []
    for requirement in control_map.requirements:
        for noun, named, known in (
            ("record kind", requirement.record_kinds, record_kinds),
            ("check", requirement.checks, checks),
            ("command", requirement.commands, commands),
        ):
            missing += [
                f"{requirement.requirement_id}: {noun} {name}"
                for name in named
                if name not in known
            ]
    return tuple(missing)
