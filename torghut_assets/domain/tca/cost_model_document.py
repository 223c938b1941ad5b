"""The settings document of a proposed cost model, for a person to accept or to throw away."""

import numpy as np

from torghut_assets.domain.backtest.records import CostModel
from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.tca.recalibration import CoefficientEstimate, CostModelProposal


def settings_document(proposal: CostModelProposal, in_force: CostModel) -> str:
    """Write the proposed `cost_model.yaml`, each changed value with its evidence as source.

    Raises
    ------
    StatisticsInputError
        If `in_force` is not the model that the proposal was made against.
    """
    if in_force.digest != proposal.in_force_digest:
        raise StatisticsInputError(
            location="cost model in force",
            found=in_force.digest[:12],
            expected=f"{proposal.in_force_digest[:12]}, against which the proposal was made",
        )
    lines = [
        "# Proposed from paper trading; not in force until a person puts it into the home as",
        "# config/cost_model.yaml. Every deployment and gate report then needs to be made anew.",
        f"# Proposal {proposal.digest}",
        f'model_version: "{proposal.proposed_version}"',
        *(f"{c.name}: {_plain(c.proposed)}" for c in proposal.coefficients),
        f"volatility_window_bars: {in_force.volatility_window_bars}",
        "sources:",
    ]
    for c in proposal.coefficients:
        lines += [f"  {c.name}: >-", f"    {_source(c, proposal, in_force)}"]
    lines += ["  volatility_window_bars: >-", f"    {in_force.sources['volatility_window_bars']}"]
    return "\n".join(lines) + "\n"


def _plain(value: float) -> str:
    """Write a number as YAML reads one back: without an exponent."""
    return np.format_float_positional(value, trim="0")


def _source(
    coefficient: CoefficientEstimate, proposal: CostModelProposal, in_force: CostModel
) -> str:
    evidence = (
        f"paper trading of {proposal.candidate_id} from {proposal.first_session} to "
        f"{proposal.last_session}, {proposal.orders} orders: {coefficient.estimate:.4g} with "
        f"standard error {coefficient.standard_error:.2g}"
    )
    if coefficient in proposal.changes:
        return f"Estimated from {evidence}."
    return f"{in_force.sources[coefficient.name].rstrip('.')}. Not contradicted by {evidence}."
