"""Conditions of a session: known beforehand, and on the session's own share basis."""

import numpy as np
import pytest

from torghut_assets.domain.backtest.market import market_arrays
from torghut_assets.domain.backtest.regimes import label_regimes
from torghut_assets.domain.candidates.panels import examination_panels
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.tca.conditions import PanelConditions

PANEL = examination_panels(0)[1].bars


def session_conditions(bars, session):
    prepared = PanelConditions.of(bars, volatility_window_bars=20, regime_window_bars=20)
    return prepared.at(session)


def day(row: int) -> str:
    return str(PANEL.times[row].astype("datetime64[D]"))


@pytest.mark.parametrize("row", [100, 200, 319])
def test_conditions_are_those_of_the_backtest_at_the_same_bar(row):
    found = session_conditions(PANEL, day(row))
    market = market_arrays(PANEL, 20)
    assert found.volatility_regime == label_regimes(market, 20).volatility[row]
    assert found.trend_regime == label_regimes(market, 20).trend[row]
    volatility = [item.volatility_fraction for item in found.symbols]
    assert volatility == pytest.approx(market.volatility[row], rel=1e-11)


@pytest.mark.parametrize("row", [100, 200])
def test_later_bars_change_nothing(row):
    changed = {
        name: np.where(np.arange(PANEL.n_bars)[:, None] > row, 7.0, getattr(PANEL, name))
        for name in ("open", "high", "low", "close", "adjusted_close", "volume")
    }
    other = PANEL.with_fields(changed)
    assert session_conditions(other, day(row)) == session_conditions(PANEL, day(row))


def test_the_first_bars_have_no_regime_and_no_volatility():
    found = session_conditions(PANEL, day(3))
    assert found.volatility_regime == found.trend_regime == "unknown"
    assert found.symbols[0].volatility_fraction is None


def test_a_split_is_a_factor_of_two_on_its_day_only():
    middle = PANEL.n_bars // 2
    on_the_day = session_conditions(PANEL, day(middle)).symbols
    assert on_the_day[0].price_factor == pytest.approx(2.0)
    assert on_the_day[1].price_factor == 1.0
    assert session_conditions(PANEL, day(middle + 1)).symbols[0].price_factor == 1.0
    assert session_conditions(PANEL, day(0)).symbols[0].price_factor is None


def test_a_day_without_a_bar_is_refused():
    with pytest.raises(EvidenceContradictionError, match="1999-01-04"):
        session_conditions(PANEL, "1999-01-04")
    with pytest.raises(EvidenceContradictionError):
        session_conditions(PANEL, "2040-01-03")
