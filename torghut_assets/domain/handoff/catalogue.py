"""Which implementation specifications exist, and which keys each contract must have."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from torghut_assets.domain.handoff.records import AuditValues, CommonValues, LaneValues
from torghut_assets.domain.stages.config import STAGES

DAG: Final = "torghut-v3-loop-dag-impl"
AUDIT: Final = "torghut-v3-audit-pack"
VERSIONS: Final = ("v1",)
_NAME: Final = re.compile(r"(torghut-v3-[a-z]+(?:-[a-z]+)*)-(v[0-9]{1,4})")
_COMMON_KEYS: Final = (
    "repository",
    "base",
    "head",
    "designDoc",
    "pipelineConfigPath",
    "artifactPath",
)


class SpecKind(NamedTuple):
    """One specification: the keys of its contract, their types, and the stages it carries."""

    required_keys: tuple[str, ...]
    values_type: type[CommonValues]
    stages: tuple[str, ...]


def _lane(*stages: str) -> SpecKind:
    return SpecKind((*_COMMON_KEYS, "stages"), LaneValues, stages)


CATALOGUE: Final[Mapping[str, SpecKind]] = MappingProxyType(
    {
        DAG: SpecKind(_COMMON_KEYS, CommonValues, ()),
        "torghut-v3-research-intake": _lane("research_intake"),
        "torghut-v3-candidate-build": _lane("candidate_build"),
        "torghut-v3-backtest-robustness": _lane("backtest_robustness"),
        "torghut-v3-gate-evaluation": _lane("gate_policy_evaluation"),
        "torghut-v3-shadow-paper-run": _lane("shadow_paper_deployment"),
        "torghut-v3-live-ramp": _lane(
            "live_ramp_stage_1", "live_ramp_stage_2_plus", "continuous_monitoring"
        ),
        "torghut-v3-incident-recovery": _lane("rollback_incident"),
        AUDIT: SpecKind((*_COMMON_KEYS, "evidenceOf"), AuditValues, STAGES),
    }
)
"""Every specification without its version. Each stage is carried by one lane."""


def split_name(name: str) -> tuple[str, str] | None:
    """Return name and version of a specification; `None` if it is no such name.

    >>> split_name("torghut-v3-audit-pack-v1")
    ('torghut-v3-audit-pack', 'v1')
    """
    match = _NAME.fullmatch(name)
    return (match.group(1), match.group(2)) if match else None


def lane_names(version: str = VERSIONS[-1]) -> tuple[str, ...]:
    """Names of the eight lanes, in the order of a candidate's life."""
    return tuple(f"{name}-{version}" for name in CATALOGUE if name != DAG)
