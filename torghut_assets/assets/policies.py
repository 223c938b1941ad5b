"""Settings as assets, so that a change of policy is lineage like any other input."""

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

import dagster as dg

from torghut_assets.domain.audit.retention_policy import RetentionPolicy, parse_retention_policy
from torghut_assets.domain.backtest.records import CostModel, EvaluationSettings, RiskLimits
from torghut_assets.domain.backtest.settings import (
    parse_cost_model,
    parse_evaluation_settings,
    parse_risk_limits,
)
from torghut_assets.domain.backtest.trial_policy import TrialPolicy, parse_trial_policy
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.drift.policy import DriftPolicy, parse_drift_policy
from torghut_assets.domain.gates.paper_policy import PaperGatePolicy, parse_paper_gate_policy
from torghut_assets.domain.gates.policy import GatePolicy, parse_gate_policy
from torghut_assets.domain.orders.limits import OrderLimits, parse_order_limits
from torghut_assets.domain.orders.policy import PaperPolicy, parse_paper_policy
from torghut_assets.domain.ramp.policy import RampPolicy, parse_ramp_policy
from torghut_assets.domain.records import Record
from torghut_assets.domain.stages.config import PipelineConfig
from torghut_assets.domain.stages.loader import load_pipeline
from torghut_assets.resources.home import Home

RecordT = TypeVar("RecordT", bound=Record)


def _settled(home: Home, name: str, parse: Callable[..., RecordT]) -> dg.MaterializeResult[RecordT]:
    """Parse the setting file in force."""
    path = home.config_path(name)
    record = parse(path.read_bytes(), location=path.name)
    return dg.MaterializeResult(
        value=record,
        data_version=dg.DataVersion(record.digest),
        metadata={
            "file": f"{path.name}, {'of this home' if home.root in path.parents else 'shipped'}",
            "settings": dg.MetadataValue.json(record.model_dump(mode="json")),
        },
    )


def gate_policy(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[GatePolicy]:
    """Limits that a candidate must keep, each with unit, direction and source."""
    return _settled(home, "gate_policy", parse_gate_policy)


def cost_model(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[CostModel]:
    """What trading costs in the simulation: spread, fee, slippage, impact."""
    return _settled(home, "cost_model", parse_cost_model)


def risk_limits(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[RiskLimits]:
    """What the account may hold and trade."""
    return _settled(home, "risk_limits", parse_risk_limits)


def evaluation_settings(
    home: dg.ResourceParam[Home],
) -> dg.MaterializeResult[EvaluationSettings]:
    """Walk-forward windows, purge, embargo, regimes and seed."""
    return _settled(home, "evaluation", parse_evaluation_settings)


def trial_policy(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[TrialPolicy]:
    """What counts as one family of trials, and who may look at the final holdout."""
    return _settled(home, "trial_policy", parse_trial_policy)


def pipeline_config(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[PipelineConfig]:
    """The stages of a candidate's life: contracts, conditions, checkpoints, transitions."""
    return _settled(home, "pipeline", load_pipeline)


def order_limits(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[OrderLimits]:
    """What may be sent to a broker: notional, prices, exposure, participation, messages."""
    return _settled(home, "order_limits", parse_order_limits)


def paper_policy(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[PaperPolicy]:
    """How an admitted candidate trades on paper: mode, broker, budget, order style, fees."""
    return _settled(home, "paper_policy", parse_paper_policy)


def paper_gate_policy(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[PaperGatePolicy]:
    """Limits of gate 3: what paper trading must have shown before the live ramp."""
    return _settled(home, "paper_gate_policy", parse_paper_gate_policy)


def drift_policy(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[DriftPolicy]:
    """When a deployed candidate has drifted, what a rollback leaves, and who is told."""
    return _settled(home, "drift_policy", parse_drift_policy)


def ramp_policy(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[RampPolicy]:
    """Levels of capital, burn-in, drills, persons, and the limits of every step."""
    return _settled(home, "ramp_policy", parse_ramp_policy)


def retention_policy(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[RetentionPolicy]:
    """How long evidence is kept, by kind, and how many persons approve a removal."""
    return _settled(home, "retention_policy", parse_retention_policy)


_FILE_OF: Final[dict[Callable[..., object], str]] = {
    pipeline_config: "pipeline",
    gate_policy: "gate_policy",
    cost_model: "cost_model",
    risk_limits: "risk_limits",
    evaluation_settings: "evaluation",
    trial_policy: "trial_policy",
    paper_gate_policy: "paper_gate_policy",
    drift_policy: "drift_policy",
    order_limits: "order_limits",
    paper_policy: "paper_policy",
    ramp_policy: "ramp_policy",
    retention_policy: "retention_policy",
}


def policy_assets(home: Home) -> list[dg.AssetsDefinition]:
    """Return the settings in force as assets; an edited file makes its asset stale."""
    return [_as_asset(settle, home.config_path(name)) for settle, name in _FILE_OF.items()]


def settings_in_force(home: Home) -> tuple[str, ...]:
    """Return the digest of every setting file in force."""
    return tuple(sha256_hex(home.config_path(name).read_bytes()) for name in _FILE_OF.values())


def _as_asset(settle: Callable[..., object], file: Path) -> dg.AssetsDefinition:
    return dg.asset(
        group_name="policy",
        owners=["team:governance"],
        kinds={"yaml"},
        io_manager_key="record_io",
        code_version=sha256_hex(file.read_bytes())[:16],
    )(settle)
