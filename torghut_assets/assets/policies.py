"""Settings as assets, so that a change of policy is lineage like any other input."""

from collections.abc import Callable
from typing import Any, TypeVar

import dagster as dg

from torghut_assets.domain.backtest.records import CostModel, EvaluationSettings, RiskLimits
from torghut_assets.domain.backtest.settings import (
    parse_cost_model,
    parse_evaluation_settings,
    parse_risk_limits,
)
from torghut_assets.domain.backtest.trial_policy import TrialPolicy, parse_trial_policy
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.gates.policy import GatePolicy, parse_gate_policy
from torghut_assets.domain.records import Record
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
            "file": dg.MetadataValue.path(str(path)),
            "settings": dg.MetadataValue.json(record.model_dump(mode="json")),
        },
    )


def policy_assets(home: Home) -> list[dg.AssetsDefinition]:
    """Return the settings; an edited file makes its asset stale (code version)."""

    def described(file: str, *, name: str | None = None) -> dict[str, Any]:
        file_digest = sha256_hex(home.config_path(file).read_bytes())
        return {
            "name": name or file,
            "group_name": "policy",
            "owners": ["team:governance"],
            "kinds": {"yaml"},
            "io_manager_key": "record_io",
            "code_version": file_digest[:16],
        }

    @dg.asset(**described("gate_policy"))
    def gate_policy(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[GatePolicy]:
        """Limits that a candidate must keep, each with unit, direction and source."""
        return _settled(home, "gate_policy", parse_gate_policy)

    @dg.asset(**described("cost_model"))
    def cost_model(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[CostModel]:
        """What trading costs in the simulation: spread, fee, slippage, impact."""
        return _settled(home, "cost_model", parse_cost_model)

    @dg.asset(**described("risk_limits"))
    def risk_limits(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[RiskLimits]:
        """What the account may hold and trade."""
        return _settled(home, "risk_limits", parse_risk_limits)

    @dg.asset(**described("evaluation", name="evaluation_settings"))
    def evaluation_settings(
        home: dg.ResourceParam[Home],
    ) -> dg.MaterializeResult[EvaluationSettings]:
        """Walk-forward windows, purge, embargo, regimes and seed."""
        return _settled(home, "evaluation", parse_evaluation_settings)

    @dg.asset(**described("trial_policy"))
    def trial_policy(home: dg.ResourceParam[Home]) -> dg.MaterializeResult[TrialPolicy]:
        """What counts as one family of trials, and who may look at the final holdout."""
        return _settled(home, "trial_policy", parse_trial_policy)

    return [gate_policy, cost_model, risk_limits, evaluation_settings, trial_policy]
