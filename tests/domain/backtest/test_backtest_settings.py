"""The settings that ship, and those that are refused."""

from pathlib import Path

import pytest
import yaml

import torghut_assets
from torghut_assets.domain.backtest.accounting import AccountRules
from torghut_assets.domain.backtest.costs import CostRates
from torghut_assets.domain.backtest.folds import walk_forward_folds
from torghut_assets.domain.backtest.settings import (
    parse_cost_model,
    parse_evaluation_settings,
    parse_risk_limits,
)
from torghut_assets.domain.errors import BadInputError, DocumentRefusedError

CONFIG = Path(torghut_assets.__file__).parent / "config"
PARSERS = {
    "cost_model": parse_cost_model,
    "risk_limits": parse_risk_limits,
    "evaluation": parse_evaluation_settings,
}


def shipped(name):
    return (CONFIG / f"{name}.yaml").read_bytes()


def changed(name, **changes):
    document = yaml.safe_load(shipped(name))
    for key, value in changes.items():
        if value is None:
            del document[key]
        else:
            document[key] = value
    return yaml.safe_dump(document).encode()


@pytest.mark.parametrize("name", PARSERS)
def test_shipped_settings_parse_and_have_a_digest(name):
    record = PARSERS[name](shipped(name))
    assert record == PARSERS[name](shipped(name))
    assert len(record.digest) == 64


def test_shipped_settings_fit_ten_years_of_sessions():
    rules = AccountRules.of(parse_risk_limits(shipped("risk_limits")))
    settings = parse_evaluation_settings(shipped("evaluation"))
    assert settings.label_horizon_bars == rules.lag + 1
    assert settings.purge_bars >= settings.label_horizon_bars
    assert len(walk_forward_folds(2_520, 252, settings)) >= 10
    assert CostRates.of(parse_cost_model(shipped("cost_model"))).needs_volatility


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("cost_model", {"half_spread_bps": -1.0}, "half_spread_bps"),
        ("cost_model", {"half_spread_bps": "1.0"}, "half_spread_bps"),
        ("cost_model", {"surprise": 1}, "surprise"),
        ("cost_model", {"impact_coefficient": None}, "impact_coefficient"),
        ("cost_model", {"sources": {"fee_bps": "somewhere"}}, "no source for half_spread_bps"),
        ("risk_limits", {"execution_lag_bars": 0}, "execution_lag_bars"),
        ("risk_limits", {"unfilled": "hope"}, "unfilled"),
        ("risk_limits", {"max_participation_fraction": 1.5}, "max_participation_fraction"),
        ("risk_limits", {"initial_equity_usd": 0}, "initial_equity_usd"),
        ("evaluation", {"seed": 1.5}, "seed"),
        ("evaluation", {"train_bars": 5}, "train_bars"),
    ],
)
def test_wrong_values_are_refused_by_name(name, changes, said):
    with pytest.raises(BadInputError) as caught:
        PARSERS[name](changed(name, **changes), location="mine.yaml")
    assert caught.value.location == "mine.yaml"
    assert said in str(caught.value)


def test_a_source_for_nothing_and_an_empty_source_are_refused():
    sources = yaml.safe_load(shipped("cost_model"))["sources"]
    with pytest.raises(BadInputError, match="moon is not a value"):
        parse_cost_model(changed("cost_model", sources={**sources, "moon": "far away"}))
    with pytest.raises(BadInputError, match="nothing said about fee_bps"):
        parse_cost_model(changed("cost_model", sources={**sources, "fee_bps": "  ?"}))


@pytest.mark.parametrize("kind", ["volatility_spike", "rejection_burst"])
def test_stress_windows_longer_than_their_period_are_refused(kind):
    stress = yaml.safe_load(shipped("evaluation"))["stress"]
    stress[f"{kind}_bars"] = stress[f"{kind}_every_bars"]
    with pytest.raises(BadInputError, match=f"{kind}_bars must be below"):
        parse_evaluation_settings(changed("evaluation", stress=stress))


def test_a_document_that_is_no_mapping_is_refused():
    with pytest.raises(DocumentRefusedError):
        parse_cost_model(b"- 1\n- 2\n")
