"""Candidates: the submitted specification, and its plugin built and put to the test."""

import dagster as dg

from torghut_assets.assets.partitions import CANDIDATES
from torghut_assets.domain.candidates.build import build_strategy
from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.resources.candidate_files import read_candidate
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.home import Home
from torghut_assets.resources.strategy_plugins import load_strategy

_SPEC_CODE = code_digest("domain/candidates/parse.py", "domain/candidates/records.py")
_BUILD_CODE = code_digest("domain/candidates", "strategies")


@dg.asset(
    partitions_def=CANDIDATES,
    group_name="research_intake",
    owners=["team:research"],
    kinds={"yaml"},
    io_manager_key="record_io",
    code_version=_SPEC_CODE[:16],
)
def candidate_spec(
    context: dg.AssetExecutionContext, home: dg.ResourceParam[Home]
) -> dg.MaterializeResult[CandidateSpec]:
    """Thesis, universe, feature hypotheses, expected regimes, strategy, parameters, grid."""
    candidate_id = context.partition_key
    spec = parse_candidate_spec(read_candidate(home, candidate_id), location=f"{candidate_id}.yaml")
    if spec.candidate_id != candidate_id:
        raise EvidenceContradictionError(
            location=f"{candidate_id}.yaml", found=spec.candidate_id, expected=candidate_id
        )
    return dg.MaterializeResult(
        value=spec,
        data_version=dg.DataVersion(spec.digest),
        metadata={
            "title": spec.title,
            "author": spec.author,
            "thesis": dg.MetadataValue.md(spec.thesis),
            "universe": spec.universe,
            "strategy": f"{spec.strategy.type} {spec.strategy.version}",
            "parameters": dg.MetadataValue.json(spec.parameters),
            "parameter_grid": dg.MetadataValue.json(
                {name: list(values) for name, values in spec.parameter_grid.items()}
            ),
            "grid_points": spec.grid_points,
            "feature_hypotheses": dg.MetadataValue.md(
                "\n".join(f"- **{h.feature}**: {h.hypothesis}" for h in spec.feature_hypotheses)
            ),
            "expected_regimes": dg.MetadataValue.md(
                "\n".join(f"- **{r.regime}**: {r.expectation}" for r in spec.expected_regimes)
            ),
            "prior_run_evidence": dg.MetadataValue.md(
                "\n".join(f"- `{e.digest}`: {e.note}" for e in spec.prior_run_evidence)
                or "none: a first candidate of its line"
            ),
            "parent": spec.parent or "none",
            "declared_outside_trials": spec.declared_outside_trials,
        },
    )


@dg.asset(
    partitions_def=CANDIDATES,
    group_name="candidate_build",
    owners=["team:research"],
    kinds={"python"},
    io_manager_key="record_io",
    code_version=_BUILD_CODE[:16],
)
def strategy_build(candidate_spec: CandidateSpec) -> dg.MaterializeResult[StrategyBuild]:
    """The plugin, frozen by its code digest, with every conformance test's result."""
    plugin = load_strategy(candidate_spec.strategy.type, candidate_spec.strategy.version)
    build = build_strategy(candidate_spec, plugin)
    return dg.MaterializeResult(
        value=build,
        data_version=dg.DataVersion(build.digest),
        metadata={
            "verdict": build.verdict.value,
            "code_digest": build.code_digest,
            "module": build.code_module,
            "warm_up_bars": build.warm_up_bars,
            "conformance": dg.MetadataValue.table(
                records=[
                    dg.TableRecord({"test": r.test, "verdict": r.verdict.value, "detail": r.detail})
                    for r in build.results
                ]
            ),
        },
    )
