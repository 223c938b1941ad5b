"""The three settings documents of an evaluation, parsed into records.

`cost_model.yaml`, `risk_limits.yaml` and `evaluation.yaml`: unknown keys, missing values, values
out of range and values without a stated source are refused with the place they stand in.
"""

from torghut_assets.domain.backtest.records import CostModel, EvaluationSettings, RiskLimits
from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.records import parse_record


def parse_cost_model(payload: bytes, *, location: str = "cost_model.yaml") -> CostModel:
    """Read a cost model.

    Raises
    ------
    DocumentRefusedError
        If the bytes are not a YAML document within the limits.
    BadInputError
        If a value is missing, unknown, out of range or without a source.
    """
    return parse_record(CostModel, parse_yaml(payload, location=location), location=location)


def parse_risk_limits(payload: bytes, *, location: str = "risk_limits.yaml") -> RiskLimits:
    """Read the limits of the simulated account; raises like `parse_cost_model`."""
    return parse_record(RiskLimits, parse_yaml(payload, location=location), location=location)


def parse_evaluation_settings(
    payload: bytes, *, location: str = "evaluation.yaml"
) -> EvaluationSettings:
    """Read the walk-forward, regime and stress settings; raises like `parse_cost_model`."""
    return parse_record(
        EvaluationSettings, parse_yaml(payload, location=location), location=location
    )
