"""Gather what the overfitting statistics are computed from: frames, trials, the holdout."""

from typing import TYPE_CHECKING

from torghut_assets.domain.backtest.records import BacktestMetrics
from torghut_assets.domain.backtest.trial_claims import finished_backtests, ticket_behind
from torghut_assets.domain.backtest.trial_count import TrialCount
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.evaluation_desk import OpenEvaluation
from torghut_assets.resources.frame_io import read_frame
from torghut_assets.resources.trial_claims import hand_out_count

if TYPE_CHECKING:
    from torghut_assets.domain.backtest.overfit_evidence import OverfitMeasurement
    from torghut_assets.domain.candidates.strategy import Floats


def overfit_measurement(
    store: ArtifactStore, work: OpenEvaluation, metrics: BacktestMetrics
) -> "OverfitMeasurement":
    """Measure how likely luck or search explains a backtest, under the evaluation's ticket.

    Looks at the family's final holdout first, so that the count of trials and looks that the
    record names includes this look.

    Raises
    ------
    UnregisteredBacktestError, EvidenceError
        If the backtest was made without a ticket, or a frame is missing or altered.
    """
    from torghut_assets.domain.backtest.overfit_evidence import measure_overfitting
    from torghut_assets.domain.backtest.overfit_sample import grid_sample

    ticket_behind(work.register.entries(), metrics)
    last = metrics.folds[-1]
    look = work.look_at_holdout(last.chosen, last.test_start_bar)
    count = hand_out_count(work.register, store, metrics.inputs.candidate_id)
    sample = grid_sample(
        read_frame(store, metrics.grid_returns_frame_digest),
        read_frame(store, metrics.path_frame_digest),
        _ratios_of_the_others(store, work, count),
    )
    return measure_overfitting(metrics, sample, count, look)


def _ratios_of_the_others(
    store: ArtifactStore, work: OpenEvaluation, count: TrialCount
) -> "Floats":
    """Sharpe ratios per bar of all grid points of the family's other finished evaluations."""
    import numpy as np

    from torghut_assets.domain.backtest.overfit_sample import out_of_sample_returns, ratios_of

    others = finished_backtests(work.register.entries(), count, but=work.ticket.trial)
    ratios = [np.empty(0)]
    for digest in others:
        metrics = BacktestMetrics.from_canonical_bytes(
            store.get(digest), location=f"backtest of the same family {digest}"
        )
        _, returns = out_of_sample_returns(read_frame(store, metrics.grid_returns_frame_digest))
        ratios.append(ratios_of(returns))
    return np.concatenate(ratios)
