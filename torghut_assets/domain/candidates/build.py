"""From a specification and a plugin to a `StrategyBuild`: frozen by digests, examined."""

from torghut_assets.domain.candidates.conformance import run_conformance
from torghut_assets.domain.candidates.grid import parameter_grid
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.candidates.strategy import LoadedStrategy
from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.verdicts import Verdict


def build_strategy(spec: CandidateSpec, loaded: LoadedStrategy) -> StrategyBuild:
    """Freeze a candidate's plugin and parameters, and run the conformance suite on them.

    Parameters
    ----------
    spec : CandidateSpec
        The candidate; its declared point is examined.
    loaded : LoadedStrategy
        The plugin that `spec.strategy` names.

    Returns
    -------
    StrategyBuild
        With the verdict `fail` if the plugin breaks its contract; that is no error here.

    Raises
    ------
    BadInputError
        If the plugin is not the one that the specification names, or its model refuses the
        declared parameters.
    """
    strategy = loaded.strategy
    named = (spec.strategy.type, spec.strategy.version)
    if (strategy.name, strategy.version) != named:
        raise BadInputError(
            location=f"candidate {spec.candidate_id} strategy",
            found=f"the plugin {strategy.name} {strategy.version}",
            expected=" ".join(named),
        )
    declared, *others = parameter_grid(spec, strategy.parameters_type).models
    results = run_conformance(strategy, declared, tuple(others))
    warm_up = next(r for r in results if r.test == "warm_up_is_stated")
    return StrategyBuild(
        candidate_id=spec.candidate_id,
        spec_digest=spec.digest,
        strategy_type=strategy.name,
        strategy_version=strategy.version,
        code_digest=loaded.code_digest,
        code_module=loaded.module,
        parameter_schema_json=canonical_json(type(declared).model_json_schema()).decode(),
        parameters=declared.model_dump(),
        warm_up_bars=strategy.warm_up_bars(declared) if warm_up.verdict is Verdict.PASS else 0,
        results=results,
    )
