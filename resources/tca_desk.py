"""What a session's cost analysis needs of the market: real bars, read once per process."""

from torghut_assets.domain.backtest.records import CostModel, EvaluationSettings
from torghut_assets.domain.candidates.strategy import BarPanel
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.tca.conditions import PanelConditions
from torghut_assets.domain.tca.records import SessionConditions
from torghut_assets.resources.session_bars import SessionBars


class TcaDesk:
    """Prepares the bars of deployed universes for one home's cost analyses."""

    def __init__(self, bars: SessionBars) -> None:
        self._bars = bars
        self._prepared: dict[tuple[str, int, int], tuple[BarPanel, PanelConditions]] = {}

    def conditions(
        self,
        deployment: PaperDeployment,
        session: str,
        cost_model: CostModel,
        settings: EvaluationSettings,
    ) -> SessionConditions:
        """Return what was known before a session, from the bars of the deployed symbols.

        Raises
        ------
        BadInputError, EvidenceError
            If the universe is unknown, or its source has no bar of the session.
        """
        windows = (cost_model.volatility_window_bars, settings.regime_window_bars)
        panel = self._bars.history(self._bars.universe(deployment.universe), deployment.symbols)
        key = (deployment.universe, *windows)
        known = self._prepared.get(key)
        if known is None or known[0] is not panel:
            prepared = PanelConditions.of(
                panel, volatility_window_bars=windows[0], regime_window_bars=windows[1]
            )
            known = self._prepared[key] = (panel, prepared)
        return known[1].at(session)
