"""Store an evaluation's frames and build the records that name them."""

from typing import TYPE_CHECKING

from torghut_assets.domain.backtest.evaluate import (
    StoredFrames,
    backtest_metrics,
    describe_weights,
)
from torghut_assets.domain.backtest.frames import grid_returns_frame, path_frame, weights_frame
from torghut_assets.domain.backtest.stress import stress_metrics
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.evaluation_desk import OpenEvaluation
from torghut_assets.resources.frame_io import write_frame

if TYPE_CHECKING:
    from torghut_assets.domain.backtest.records import (
        BacktestMetrics,
        StressMetrics,
        TargetWeights,
    )
    from torghut_assets.domain.backtest.walk_forward_run import WalkForwardRun


class EvaluationOutputs:
    """Makes the records of one open evaluation; each call computes anew."""

    def __init__(self, store: ArtifactStore, work: OpenEvaluation) -> None:
        self._store = store
        self._work = work

    def target_weights(self) -> "TargetWeights":
        """Weights at the declared parameters, as a stored frame and its record."""
        bars, inputs = self._work.bars, self._work.evidence.inputs
        weights = self._work.declared_weights()
        digest = write_frame(self._store, weights_frame(bars.times, bars.symbols, weights))
        return describe_weights(weights, bars.symbols, inputs, digest)

    def backtest_metrics(
        self, run: "WalkForwardRun", target_weights_digest: str
    ) -> "BacktestMetrics":
        """Walk-forward metrics, with the path and the grid's returns as stored frames."""
        stored = StoredFrames(
            target_weights_digest=target_weights_digest,
            path_frame_digest=write_frame(self._store, path_frame(run)),
            grid_returns_frame_digest=write_frame(self._store, grid_returns_frame(run)),
        )
        return backtest_metrics(run, self._work.evidence.inputs, stored)

    def stress_metrics(self, run: "WalkForwardRun", backtest_digest: str) -> "StressMetrics":
        """Every stress scenario on the run's stitched weights."""
        return stress_metrics(run, self._work.evidence.inputs, backtest_digest)
