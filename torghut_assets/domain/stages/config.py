"""The pipeline file as records.

`parse_pipeline` turns bytes into a `PipelineConfig`; it knows the form of the file and no
rule. Use `loader.load_pipeline`, which refuses a file that breaks one.
"""

import re
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import Measured, Part, Record, parse_record

STAGES: Final = (
    "research_intake",
    "candidate_build",
    "backtest_robustness",
    "gate_policy_evaluation",
    "shadow_paper_deployment",
    "live_ramp_stage_1",
    "live_ramp_stage_2_plus",
    "continuous_monitoring",
    "rollback_incident",
)
"""The stages that exist, in the order of a candidate's life. A file must list exactly these."""

ROLLBACK: Final = "rollback_incident"
HOLD: Final = "hold"

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{2,62}$")]
ReferenceKind = Literal["asset", "field", "submission", "code", "later"]
_REFERENCE = re.compile(r"^(asset|field|submission|code|later):([A-Za-z0-9_./]{1,120})$")


class PipelineRefusedError(BadInputError):
    """The pipeline file breaks a rule; nothing runs by it."""


class Term(Part):
    """One word of a stage's contract and where it is found."""

    term: Name
    kind: ReferenceKind
    target: str = Field(min_length=1)

    @property
    def asset(self) -> str | None:
        """Asset whose record holds it; `None` if it is not, or not yet, in a record."""
        if self.kind == "asset":
            return self.target
        return self.target.partition(".")[0] if self.kind == "field" else None


class FailurePolicy(Part):
    """What happens after an error: only what may pass by itself is tried again."""

    transient_retries: int = Field(ge=0, le=5)
    backoff_seconds: Measured = Field(ge=0, le=60)
    deterministic: Literal["none"]
    specification: Literal["none"]
    policy: Literal["none"]


class Stage(Part):
    """The contract of one stage."""

    name: Name
    active: bool
    deployed: bool
    inputs: tuple[Term, ...] = Field(min_length=1)
    outputs: tuple[Term, ...] = Field(min_length=1)
    prepares: tuple[Name, ...]
    feeds_back: tuple[Name, ...]
    requires: tuple[Name, ...] = Field(min_length=1)
    ensures: tuple[Name, ...] = Field(min_length=1)
    guards: dict[Name, tuple[Name, ...]]
    checkpoints: tuple[Name, ...]
    on_pass: Name
    on_fail: Name
    on_superseded: Name
    failure_policy: FailurePolicy

    @property
    def is_about_a_session(self) -> bool:
        """Whether it is decided session by session: what trades, and what takes it back."""
        return self.deployed or self.name == ROLLBACK

    def conditions_before(self, asset: str) -> tuple[str, ...]:
        """Return what must hold before one of the stage's assets is made."""
        return (*self.requires, *self.guards.get(asset, ()))

    @property
    def output_assets(self) -> tuple[str, ...]:
        """Assets that the stage makes for a candidate."""
        return tuple(dict.fromkeys(t.target for t in self.outputs if t.kind == "asset"))

    @property
    def input_assets(self) -> tuple[str, ...]:
        """Assets that the stage reads."""
        return tuple(dict.fromkeys(t.target for t in self.inputs if t.kind == "asset"))


class Checkpoint(Part):
    """A place that every path from some sources to some assets or stages must pass."""

    name: Name
    purpose: str = Field(min_length=10)
    condition: Name
    at: Name
    asset_check: str = Field(pattern=r"^[a-z0-9_]+:[a-z0-9_]+$")
    sources: tuple[Name, ...] = Field(min_length=1)
    assets: tuple[Name, ...]
    stages: tuple[Name, ...]


class Source(Part):
    """Assets where one kind of outside information comes in."""

    name: Name
    assets: tuple[Name, ...] = Field(min_length=1)


class FreezePolicy(Part):
    """After how many refusals of which stage a line of candidates is frozen."""

    stage: Name
    after_refusals: int = Field(ge=1, le=5)


class PipelineConfig(Record):
    """The life of a candidate, as the file says it."""

    record_kind: ClassVar[str] = "pipeline-config"

    pipeline_version: str = Field(min_length=1, max_length=40)
    initial: Name
    groups_outside: tuple[Name, ...]
    sources: tuple[Source, ...]
    freeze: FreezePolicy
    checkpoints: tuple[Checkpoint, ...] = Field(min_length=1)
    stages: tuple[Stage, ...] = Field(min_length=1)

    def stage(self, name: str) -> Stage:
        """Return a stage by name.

        Raises
        ------
        PipelineRefusedError
            If there is none.
        """
        for stage in self.stages:
            if stage.name == name:
                return stage
        known = ", ".join(s.name for s in self.stages)
        raise PipelineRefusedError(
            location="stage", found=ascii(name)[:80], expected=f"one of {known}"
        )

    def stage_of_asset(self, asset: str) -> Stage | None:
        """Return the stage that makes `asset`; `None` if no stage does."""
        for stage in self.stages:
            if asset in stage.output_assets or asset in stage.prepares:
                return stage
        return None


def parse_pipeline(payload: bytes, *, location: str) -> PipelineConfig:
    """Return the pipeline that a YAML document holds, whether or not it makes sense.

    Parameters
    ----------
    payload : bytes
        The whole file.
    location : str
        File name for error messages.

    Raises
    ------
    DocumentRefusedError, BadInputError
        If the document is not plain data of the right form.
    """
    data = parse_yaml(payload, location=location)
    for field in ("stages", "checkpoints", "sources"):
        data[field] = _listed(data.get(field), f"{location}: {field}")
    data["sources"] = [{"name": s["name"], "assets": s["value"]} for s in data["sources"]]
    for field in ("stages", "checkpoints"):
        data[field] = [_named(entry, f"{location}: {field}") for entry in data[field]]
    for stage in data["stages"]:
        for side in ("inputs", "outputs"):
            where = f"{location}: stages.{stage['name']}.{side}"
            stage[side] = [_term(entry, where) for entry in _listed(stage.get(side), where)]
    return parse_record(PipelineConfig, data, location=location)


def _listed(value: Any, location: str) -> list[dict[str, Any]]:
    """Turn a mapping into a list of named entries, in the order of the file."""
    if not isinstance(value, dict) or not value:
        raise PipelineRefusedError(
            location=location, found=ascii(value)[:60], expected="a mapping of names"
        )
    return [{"name": name, "value": entry} for name, entry in value.items()]


def _named(entry: dict[str, Any], location: str) -> dict[str, Any]:
    value = entry["value"]
    if not isinstance(value, dict) or "name" in value:
        raise PipelineRefusedError(
            location=f"{location}.{entry['name']}", found=ascii(value)[:60], expected="its fields"
        )
    return {"name": entry["name"], **value}


def _term(entry: dict[str, Any], location: str) -> dict[str, Any]:
    match = _REFERENCE.match(entry["value"]) if isinstance(entry["value"], str) else None
    if match is None:
        raise PipelineRefusedError(
            location=f"{location}.{entry['name']}",
            found=ascii(entry["value"])[:60],
            expected="asset:, field:, submission:, code: or later: and a name",
        )
    return {"term": entry["name"], "kind": match.group(1), "target": match.group(2)}
