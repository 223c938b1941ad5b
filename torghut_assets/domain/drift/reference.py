"""What the backtest saw, prepared for comparison: its out-of-sample bars, weights and returns.

The final holdout is not part of it: only sessions of the out-of-sample path are.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.drift.conformal import (
    ConformalInterval,
    misses_of_paths,
    per_exposure,
    split_conformal,
)
from torghut_assets.domain.drift.path_statistics import (
    PathFan,
    ReturnLevel,
    path_fan,
    return_level,
)
from torghut_assets.domain.drift.windows import WindowReference, window_reference
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.tca.inputs import Floats, vector

Days = npt.NDArray[np.datetime64]
_HORIZON_STEP = 126


@dataclass(frozen=True)
class ReferencePath:
    """The out-of-sample path; each array of shape (n_sessions,), fractions of equity."""

    sessions: Days
    net_return: Floats
    gross_exposure: Floats


@dataclass(frozen=True)
class ReferenceSettings:
    """How the reference is prepared: promised coverage, slack of the CUSUM, paths and seed."""

    coverage_target: float
    cusum_slack_deviations: float
    window_sessions: int
    draws: tuple[int, int]


class DriftReference:
    """The reference of one deployment; its parts are computed on first use and kept.

    Parameters
    ----------
    path : ReferencePath
    bars : ndarray of shape (n_sessions, n_symbols, 4)
        Open, high, low, close on the sessions of the path, by symbol of the deployment.
    weights : ndarray of shape (n_sessions, n_symbols)
        Target weights on the sessions of the path.
    settings : ReferenceSettings
    """

    def __init__(
        self, path: ReferencePath, bars: Floats, weights: Floats, settings: ReferenceSettings
    ) -> None:
        n = len(path.net_return)
        if bars.shape[0] != n or weights.shape[0] != n or bars.shape[1] != weights.shape[1]:
            raise EvidenceContradictionError(
                location="drift reference",
                found=f"{n} returns, bars {bars.shape}, weights {weights.shape}",
                expected="one row of bars and weights per session of the path",
            )
        self.path = path
        self.bars = bars
        self.target_weights = weights
        self._settings = settings
        self._fan: PathFan | None = None

    @cached_property
    def level(self) -> ReturnLevel:
        """Moments of the net returns."""
        return return_level(self.path.net_return)

    @cached_property
    def outcomes(self) -> Floats:
        """Returns per unit of exposure, abstentions left out: the calibration set."""
        held = exposure_during(self.path.gross_exposure)
        return per_exposure(self.path.net_return, held)

    @cached_property
    def interval(self) -> ConformalInterval:
        """Interval of the next session's return per unit of exposure."""
        return split_conformal(self.outcomes, self._settings.coverage_target)

    @cached_property
    def misses(self) -> Floats:
        """Missed outcomes so far of resampled paths, shape (n_paths, window_sessions)."""
        settings = self._settings
        return misses_of_paths(
            self.interval, self.outcomes, settings.window_sessions, settings.draws
        )

    @cached_property
    def scale(self) -> tuple[Floats, Floats]:
        """Mean and deviation by symbol of the two bar features, each of shape (2, n_symbols)."""
        features = bar_features(self.bars)
        with_values = np.isfinite(features)
        n = with_values.sum(axis=0)
        mean = np.where(with_values, features, 0.0).sum(axis=0) / np.maximum(n, 1)
        squares = np.where(with_values, (features - mean) ** 2, 0.0).sum(axis=0)
        return mean.T, np.sqrt(squares / np.maximum(n - 1, 1)).T

    def standardized(self, bars: Floats) -> tuple[Floats, Floats]:
        """Return and range of bars in deviations from the reference's mean, by symbol.

        Parameters
        ----------
        bars : ndarray of shape (n, n_symbols, 4) or wider

        Returns
        -------
        tuple of ndarray
            Each of shape (n_complete, n_symbols); rows with a missing bar are left out, they
            are counted by a reading of their own.
        """
        mean, deviation = self.scale
        features = bar_features(bars)
        complete = np.isfinite(features).all(axis=(1, 2))
        scores = (features[complete] - mean.T) / vector(deviation.ravel(), "deviation").reshape(
            deviation.shape
        ).T
        return scores[:, :, 0], scores[:, :, 1]

    @cached_property
    def returns(self) -> WindowReference:
        """Standardized open-to-close returns."""
        return window_reference(self.standardized(self.bars)[0])

    @cached_property
    def ranges(self) -> WindowReference:
        """Standardized log ranges."""
        return window_reference(self.standardized(self.bars)[1])

    @cached_property
    def weights(self) -> WindowReference:
        """Target weights."""
        return window_reference(self.target_weights)

    def fan(self, n_sessions: int) -> PathFan:
        """Resampled paths, at least `n_sessions` long.

        The horizon grows in steps of half a year, so that paths are drawn anew twice a year.
        """
        horizon = -(-n_sessions // _HORIZON_STEP) * _HORIZON_STEP
        if self._fan is None or self._fan.horizon != horizon:
            settings = self._settings
            self._fan = path_fan(
                self.path.net_return, horizon, settings.cusum_slack_deviations, settings.draws
            )
        return self._fan


def require_same_backtest(metrics: BacktestMetrics, deployment: PaperDeployment) -> None:
    """Refuse a backtest that is not the one that was deployed.

    Raises
    ------
    EvidenceContradictionError
        If it has other weights or symbols.
    """
    if metrics.target_weights_digest != deployment.target_weights_digest:
        raise EvidenceContradictionError(
            location=f"backtest of {deployment.candidate_id}",
            found=f"the weights {metrics.target_weights_digest}",
            expected=deployment.target_weights_digest,
        )
    traded = {symbol.symbol for symbol in metrics.by_symbol}
    if traded != set(deployment.symbols):
        raise EvidenceContradictionError(
            location=f"backtest of {deployment.candidate_id}",
            found=f"the symbols {', '.join(sorted(traded))}",
            expected=", ".join(deployment.symbols),
        )


def exposure_during(gross_exposure: Floats) -> Floats:
    """Gross exposure that a session's return came from: before or after trading, the larger."""
    before = np.concatenate(([0.0], gross_exposure[:-1]))
    return np.maximum(before, gross_exposure)


def bar_features(bars: Floats) -> Floats:
    """Open-to-close return and log range, shape (n, n_symbols, 2); NaN without a proper bar.

    Both lie within one session, so that a split between two sessions is no outlier.
    """
    first, high, low, last = (bars[:, :, i] for i in range(4))
    proper = (first > 0) & (low > 0) & (high >= low) & (last > 0)
    with np.errstate(all="ignore"):
        returns = np.where(proper, last / first - 1.0, np.nan)
        ranges = np.where(proper, np.log(high / low), np.nan)
    return np.stack([returns, ranges], axis=2)
