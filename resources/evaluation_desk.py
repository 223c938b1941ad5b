"""The desk where an evaluation is computed: ticket first, then prices, then the engine.

Every asset that reads prices comes through `EvaluationDesk.at_work`. It checks the
preconditions on records, takes a trial ticket, reads the bars against it and gives the
asset the plugin and the engine. The last walk-forward run is remembered under the digest
of its inputs, because a process that makes backtest, stress and overfitting evidence in
one run would compute it three times.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from torghut_assets.domain.backtest.holdout import HoldoutSpentError, HoldoutTooEarlyError
from torghut_assets.domain.backtest.overfit_records import HoldoutLook
from torghut_assets.domain.backtest.preconditions import EvaluationEvidence, require_ready
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import TrialTicket, describe_trial
from torghut_assets.domain.candidates.records import ParameterValue
from torghut_assets.domain.candidates.strategy import (
    BarPanel,
    Floats,
    LoadedStrategy,
    StrategyParameters,
)
from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.resources import work_progress
from torghut_assets.resources.bar_vault import BarVault
from torghut_assets.resources.home import Home
from torghut_assets.resources.strategy_plugins import load_strategy
from torghut_assets.resources.trial_register import StoredReturns, TrialRegister

if TYPE_CHECKING:
    from torghut_assets.domain.backtest.families import ReturnSeries
    from torghut_assets.domain.backtest.walk_forward_run import WalkForwardRun

_KEPT_RETURNS: Final = 2048
"""Return series that a desk keeps, named by digest: 16 bytes a bar, 72 MB for nine years daily."""
Progress = Callable[[int, int], None]


class OpenEvaluation:
    """One evaluation at work, under its ticket."""

    def __init__(
        self,
        evidence: EvaluationEvidence,
        plugin: LoadedStrategy,
        register: TrialRegister,
        ticket: TrialTicket,
        vault: BarVault,
    ) -> None:
        self.evidence = evidence
        self.ticket = ticket
        self.register = register
        self._plugin = plugin
        self._vault = vault
        self.bars: BarPanel = vault.open(evidence.manifest, ticket)

    def declared_weights(self) -> Floats:
        """Weights at the declared parameters, shape (n_bars, n_symbols)."""
        from torghut_assets.domain.candidates.grid import declared_parameters

        strategy = self._plugin.strategy
        parameters = declared_parameters(self.evidence.spec, strategy.parameters_type)
        return self._weights(self.bars, parameters)

    def walk_forward(
        self, on_point: Progress | None = None, *, compared_points: int = 0
    ) -> "WalkForwardRun":
        """Evaluate the whole parameter grid on the bars before the final holdout.

        Parameters
        ----------
        on_point : callable, optional
            Told `(points done, points in all)`; whoever listens to the work, if it is left out.
        compared_points : int
            If the plugin offers a program for its grid: so many points, spread evenly, must have
            the same returns by `target_weights`, besides the declared and the picked ones.
        """
        return self._run(self.bars, on_point or work_progress.report, compared_points)

    def look_at_holdout(self, chosen: Mapping[str, ParameterValue], since_bar: int) -> HoldoutLook:
        """Open the family's final holdout and trade the parameters last chosen through it.

        Parameters
        ----------
        chosen : mapping
            What the last walk-forward fold picked, on bars before the holdout.
        since_bar : int
            First bar of that fold's test window: the account trades from there on, so that it
            enters the holdout with the positions it would have held.

        Returns
        -------
        HoldoutLook
            The result with its receipt, or why the family may not look.
        """
        policy = self.evidence.trial_policy
        if policy.holdout_months == 0:
            return HoldoutLook(None, "the trial policy holds nothing back (holdout_months: 0)")
        try:
            bars, window, receipt = self._vault.open_holdout(self.evidence.manifest, self.ticket)
        except (HoldoutSpentError, HoldoutTooEarlyError) as error:
            return HoldoutLook(None, str(error))
        from torghut_assets.domain.backtest.overfit_sample import holdout_result

        net = self._continued(bars, chosen, since_bar)[window.first_bar : window.end_bar]
        looks = self.register.count(self.evidence.inputs.candidate_id).holdout_looks
        return HoldoutLook(
            holdout_result(net, self.evidence.settings.periods_per_year, receipt.digest, looks),
            None,
        )

    def finish(self, result_digest: str, returns: StoredReturns | None = None) -> None:
        """Write the result into the register; without it the ticket counts as abandoned."""
        self.register.finish(self.ticket, result_digest, returns)

    def _continued(
        self, bars: BarPanel, chosen: Mapping[str, ParameterValue], since_bar: int
    ) -> Floats:
        """Net returns of one account that trades fixed parameters from `since_bar` on."""
        from torghut_assets.domain.backtest.accounting import AccountRules, simulate
        from torghut_assets.domain.backtest.costs import CostRates, trading_conditions
        from torghut_assets.domain.backtest.market import market_arrays

        strategy, evidence = self._plugin.strategy, self.evidence
        parameters = strategy.parameters_type.model_validate(dict(chosen))
        weights = self._weights(bars, parameters)
        weights[:since_bar] = 0.0
        market = market_arrays(bars, evidence.cost_model.volatility_window_bars)
        conditions = trading_conditions(market, CostRates.of(evidence.cost_model))
        return simulate(weights, conditions, AccountRules.of(evidence.risk_limits)).net_return

    def _weights(self, bars: BarPanel, parameters: StrategyParameters) -> Floats:
        """Ask the plugin; whatever it raises or returns wrongly is one refusal."""
        from torghut_assets.domain.candidates.examinee import Examinee

        where = f"strategy {self._plugin.strategy.name} on {self.evidence.manifest.snapshot_id}"
        return Examinee(self._plugin.strategy, parameters).weights(bars, where=where)

    def _run(
        self, bars: BarPanel, on_point: Progress | None, compared_points: int
    ) -> "WalkForwardRun":
        from torghut_assets.domain.backtest.market import market_arrays
        from torghut_assets.domain.backtest.walk_forward_run import (
            EvaluationPlan,
            GridShortcut,
            Point,
            run_walk_forward,
        )
        from torghut_assets.domain.candidates.examinee import Examinee, guarded
        from torghut_assets.domain.candidates.grid import parameter_grid
        from torghut_assets.domain.candidates.grid_program import offered_program

        evidence, strategy = self.evidence, self._plugin.strategy
        grid = parameter_grid(evidence.spec, strategy.parameters_type)

        def weights_of(point: Point) -> Floats:
            parameters = strategy.parameters_type.model_validate(dict(point))
            return self._weights(bars, parameters)

        plan = EvaluationPlan(
            settings=evidence.settings,
            cost_model=evidence.cost_model,
            limits=evidence.risk_limits,
            warm_up_bars=max(Examinee(strategy, model).warm_up_bars for model in grid.models),
        )
        market = market_arrays(bars, evidence.cost_model.volatility_window_bars)
        program = guarded(
            lambda: offered_program(strategy, bars.read_only(), grid.models),
            location=f"grid program of strategy {strategy.name}",
        )
        shortcut = None if program is None else GridShortcut(program, compared_points)
        return run_walk_forward(market, grid.points, weights_of, plan, on_point, shortcut)


class EvaluationDesk:
    """Opens evaluations of one home."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._remembered: tuple[str, WalkForwardRun] | None = None
        self._registers: dict[str, TrialRegister] = {}
        self._load_returns = lru_cache(maxsize=_KEPT_RETURNS)(self._read_returns)

    def register(self, policy: TrialPolicy) -> TrialRegister:
        """Return the home's trial register under a policy; it keeps what it has verified."""
        if policy.digest not in self._registers:
            self._registers[policy.digest] = TrialRegister(
                self._home.trial_register_path, self._home.trial_anchor_path, policy
            )
        return self._registers[policy.digest]

    @contextmanager
    def at_work(self, evidence: EvaluationEvidence, *, purpose: str) -> Iterator[OpenEvaluation]:
        """Check preconditions, take a ticket, read the bars; an unfinished ticket counts.

        Raises
        ------
        StageRefusedError, EvidenceError
            If a precondition fails, the register is broken, or the bars are not intact.
        """
        plugin = load_strategy(evidence.spec.strategy.type, evidence.spec.strategy.version)
        require_ready(evidence, plugin.code_digest)
        register = self.register(evidence.trial_policy)
        trial = describe_trial(evidence.spec, evidence.build, evidence.inputs, purpose=purpose)
        with register.under_ticket(trial) as ticket:
            vault = BarVault(self._home.store, register)
            yield OpenEvaluation(evidence, plugin, register, ticket, vault)

    def remembered_run(self, work: OpenEvaluation) -> "WalkForwardRun":
        """Return the walk-forward run of these inputs, computed at most once in a row."""
        key = sha256_hex(canonical_json(work.evidence.inputs.model_dump(mode="json")))
        if self._remembered is None or self._remembered[0] != key:
            self._remembered = (key, work.walk_forward())
        return self._remembered[1]

    def stored_returns(self, path_frame_digest: str) -> StoredReturns:
        """Name the returns of a result, so that the register can compare families by them."""
        return StoredReturns(path_frame_digest, self.load_returns)

    def load_returns(self, frame_digest: str) -> "ReturnSeries":
        """Load the out-of-sample returns of a stored path, for comparison between families."""
        return self._load_returns(frame_digest)

    def _read_returns(self, frame_digest: str) -> "ReturnSeries":
        import numpy as np

        from torghut_assets.domain.backtest.families import ReturnSeries
        from torghut_assets.resources.frame_io import read_frame

        frame = read_frame(self._home.store, frame_digest)
        return ReturnSeries(
            times=frame.column("time").to_numpy().astype("datetime64[us]"),
            returns=np.ascontiguousarray(frame.column("net_return").to_numpy()),
        )
