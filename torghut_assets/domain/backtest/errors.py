"""Refusals of the backtest: each names what is wrong with the market, the weights or the plan."""

from torghut_assets.domain.errors import BadInputError


class MarketRefusedError(BadInputError):
    """Bars cannot be simulated: no bars, prices that are not positive, volumes below zero."""


class WeightsRefusedError(BadInputError):
    """A strategy returned weights of another shape than the bars, or not all finite."""


class AccountRulesError(BadInputError):
    """Rules of the simulated account contradict themselves or leave their range."""


class GridRefusedError(BadInputError):
    """A parameter grid is empty, holds a value twice or has more points than allowed."""


class GridProgramRefusedError(BadInputError):
    """A plugin's program for its grid does not decide what its `target_weights` decide."""


class FoldPlanError(BadInputError):
    """Walk-forward windows that cannot be laid out."""


class FoldsLongerThanDataError(FoldPlanError):
    """Warm-up, train, purge and one test window need more bars than there are."""

    def __init__(self, *, needed: int, found: int) -> None:
        self.needed = needed
        super().__init__(
            location="walk-forward plan",
            found=f"{found} bars",
            expected=f"at least {needed} for warm-up, train, purge and one test window",
            action="Take a longer snapshot, or shorten train_bars or test_bars.",
        )


class PurgeLongerThanTrainError(FoldPlanError):
    """The purge would swallow the train window."""

    def __init__(self, *, purge_bars: int, train_bars: int) -> None:
        super().__init__(
            location="purge_bars",
            found=str(purge_bars),
            expected=f"fewer bars than train_bars, {train_bars}",
            action="Shorten the purge or lengthen the train window.",
        )


class PurgeShorterThanHorizonError(FoldPlanError):
    """What is learned from the last train bar would still be decided inside the test window."""

    def __init__(self, *, purge_bars: int, label_horizon_bars: int) -> None:
        super().__init__(
            location="purge_bars",
            found=str(purge_bars),
            expected=f"at least label_horizon_bars, {label_horizon_bars}",
            action="Lengthen the purge.",
        )


class EmbargoLeavesNoTrainError(FoldPlanError):
    """Embargoes after earlier test windows leave too few bars to train on."""

    def __init__(self, *, fold: int, left: int, needed: int) -> None:
        super().__init__(
            location=f"embargo_bars, fold {fold}",
            found=f"{left} train bars left",
            expected=f"at least {needed}",
            action="Shorten the embargo or lengthen the train or test window.",
        )
