"""The desk where a session is traded: bars, weights, the account, the journal and the switch.

One object serves all sessions of a process. What does not change between sessions is kept: the
plugin, the evaluated weights, the weights of the whole history, the journal's verified part.
Session assets stay thin; what they decide is decided in the domain.
"""

import datetime as dt
from collections.abc import Callable
from typing import NamedTuple

import dagster as dg
import numpy as np

from torghut_assets.domain.backtest.records import RiskLimits, TargetWeights
from torghut_assets.domain.candidates.examinee import Examinee
from torghut_assets.domain.candidates.strategy import BarPanel, Floats
from torghut_assets.domain.drift.records import DriftReport, Level
from torghut_assets.domain.errors import (
    EvidenceContradictionError,
    EvidenceError,
    StageRefusedError,
)
from torghut_assets.domain.orders.decide import (
    Account,
    Market,
    Parity,
    SessionEvidence,
    Watch,
    compare_weights,
)
from torghut_assets.domain.orders.errors import ShortSessionError
from torghut_assets.domain.orders.journal import Ledger
from torghut_assets.domain.orders.limits import OrderLimits
from torghut_assets.domain.orders.policy import PaperPolicy
from torghut_assets.domain.orders.reconcile import Holdings
from torghut_assets.domain.orders.records import (
    OrderIntents,
    PaperDeployment,
    PaperFills,
    Stance,
)
from torghut_assets.domain.records import Record
from torghut_assets.domain.snapshots.universes import Universe
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.lineage import read_record
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.session_bars import KnownBars, SessionBars, SessionTimes
from torghut_assets.resources.session_history import SessionHistory
from torghut_assets.resources.strategy_plugins import load_strategy

_FILLS = dg.AssetKey("paper_fills")
_DRIFT = dg.AssetKey("drift_report")
_STANCE: dict[Level, Stance] = {
    Level.PASS: "full",
    Level.NOT_YET: "full",
    Level.DEGRADE: "degrade",
}
"""Everything else takes no new risk."""


class SessionPolicies(NamedTuple):
    """The settings that a session is decided under; they must be those of the deployment."""

    limits: OrderLimits
    risk_limits: RiskLimits
    policy: PaperPolicy


class SessionDesk:
    """Puts together what the sessions of one home are decided from."""

    def __init__(self, home: Home, clock: Callable[[], dt.datetime] = utc_now) -> None:
        self._home = home
        self.clock = clock
        self.bars = SessionBars(home, clock)
        self.journal = OrderJournal(home, clock)
        self.kill = KillSwitch(home, clock)
        self.history = SessionHistory(home.store)
        self._examinees: dict[str, Examinee] = {}
        self._whole: dict[str, tuple[BarPanel, Floats]] = {}
        self._overlaps: dict[tuple[str, int], tuple[BarPanel, Parity]] = {}

    def universe_of(self, deployment: PaperDeployment) -> Universe:
        """Return the universe that a deployment trades."""
        return self.bars.universe(deployment.universe)

    def deployed(self, intents: OrderIntents) -> tuple[PaperDeployment, PaperPolicy]:
        """Return the deployment that intents are of, and the policy that it was deployed with.

        Raises
        ------
        EvidenceError
            If one of them is missing or altered.
        """
        deployment = read_record(
            self._home.store,
            PaperDeployment,
            intents.deployment_digest,
            location=f"deployment of {intents.subject}",
            subject=intents.candidate_id,
        )
        policy = read_record(
            self._home.store,
            PaperPolicy,
            deployment.policies["paper_policy"],
            location=f"paper policy of {intents.subject}",
            subject=None,
        )
        return deployment, policy

    def times(self, deployment: PaperDeployment, session: dt.date) -> SessionTimes:
        """Return the times of a session at the deployment's exchange."""
        return self.bars.times(self.universe_of(deployment), session)

    def evidence(
        self,
        instance: dg.DagsterInstance,
        deployment: PaperDeployment,
        session: dt.date,
        policies: SessionPolicies,
        holdings: Holdings,
    ) -> SessionEvidence:
        """Return everything that a session's intents are decided from.

        Parameters
        ----------
        holdings : Holdings
            The account before the session, as the broker states it.

        Raises
        ------
        ShortSessionError, StageRefusedError
            If the session before was not traded, or did not reconcile.
        EvidenceContradictionError
            If settings or code are not those of the deployment, or the broker does not hold
            what was last reconciled.
        BadInputError
            If the exchange does not trade on that date, or a weight cannot be used.
        """
        require_policies(
            deployment,
            {
                "order_limits": policies.limits,
                "risk_limits": policies.risk_limits,
                "paper_policy": policies.policy,
            },
        )
        universe = self.universe_of(deployment)
        times = self.bars.times(universe, session)
        previous = self.previous_fills(instance, deployment, times)
        if previous is not None:
            _require_what_was_reconciled(previous, holdings)
        known = self.bars.known_before(universe, session, deployment.symbols)
        live, reference = self._weights(universe, deployment, known)
        symbols = deployment.symbols
        ledger = self.journal.ledger()
        return SessionEvidence(
            deployment=deployment,
            session=times.session,
            decided_on=times.previous,
            session_is_open=True,  # `times` refused anything else
            live={s: float(live[i]) for i, s in enumerate(symbols)},
            reference={s: float(reference[i]) for i, s in enumerate(symbols)},
            overlap=self._overlap(universe, deployment, policies.policy.parity_sessions),
            market=Market(
                bars_digest=known.digest,
                closes_usd=known.closes(),
                sessions_behind=known.sessions_behind,
                average_volume_shares=known.average_volume(policies.limits.volume_window_sessions),
            ),
            account=Account(
                holdings=holdings,
                previous_fills_digest=previous.digest if previous else None,
                cooling=self._cooling(
                    ledger, universe, deployment, times, policies.risk_limits.cooldown_bars
                ),
                recent_messages=_recent_messages(ledger, deployment, times, policies),
                kill=self.kill.reading(deployment.candidate_id).state,
            ),
            watch=self._watch(instance, deployment, previous, policies.policy),
        )

    def previous_fills(
        self, instance: dg.DagsterInstance, deployment: PaperDeployment, times: SessionTimes
    ) -> PaperFills | None:
        """Return what the session before left; `None` at the first one of a deployment.

        Raises
        ------
        ShortSessionError
            If a session since the first of the deployment was left out.
        StageRefusedError
            If the session before did not reconcile.
        """
        candidate = deployment.candidate_id
        made = self.history.sessions(instance, _FILLS, candidate)
        earlier = [session for session in made if session < times.session]
        if not earlier:
            return None
        newest = earlier[-1]
        subject = f"{candidate}|{newest}"
        record = self.history.record(PaperFills, made[newest], subject)
        if newest != times.previous:
            if record.deployment_digest == deployment.digest:
                raise ShortSessionError(
                    subject=f"{candidate}|{times.session}", missing=times.previous
                )
            return None  # another deployment ended before this one began
        if record.verdict is not Verdict.PASS:
            raise StageRefusedError(
                f"{candidate}|{times.session}: {subject} did not reconcile with the broker "
                f"({len(record.differences)} differences). Explain it before anything is traded."
            )
        return record

    def _watch(
        self,
        instance: dg.DagsterInstance,
        deployment: PaperDeployment,
        previous: PaperFills | None,
        policy: PaperPolicy,
    ) -> Watch:
        """Return what the report on the session before calls for; without one, no new risk."""
        if (
            policy.degraded_fraction == 1.0
            or previous is None
            or previous.deployment_digest != deployment.digest
        ):
            return Watch()
        digest = self.history.digests(instance, _DRIFT).get(previous.subject)
        if digest is None:
            return Watch("abstain")
        try:
            report = self.history.record(DriftReport, digest, previous.subject)
        except EvidenceError:
            return Watch("abstain", digest)
        return Watch(_STANCE.get(report.level, "abstain"), digest)

    def _examinee(self, deployment: PaperDeployment) -> Examinee:
        """Return the deployed plugin, refusing any other code."""
        if deployment.digest not in self._examinees:
            loaded = load_strategy(deployment.strategy_type, deployment.strategy_version)
            if loaded.code_digest != deployment.code_digest:
                raise EvidenceContradictionError(
                    location=f"plugin {deployment.strategy_type}",
                    found=f"code {loaded.code_digest}",
                    expected=f"{deployment.code_digest}, as it was deployed",
                )
            strategy = loaded.strategy
            parameters = strategy.parameters_type.model_validate(dict(deployment.parameters))
            self._examinees[deployment.digest] = Examinee(strategy, parameters)
        return self._examinees[deployment.digest]

    def _weights(
        self, universe: Universe, deployment: PaperDeployment, known: KnownBars
    ) -> tuple[Floats, Floats]:
        """Weights for the session from the known bars, and from all that the source has."""
        where = f"{deployment.candidate_id} after {known.panel.times[-1].astype('datetime64[D]')}"
        live = self._examinee(deployment).weights(known.panel, where=where)
        _, whole = self._of_whole_history(universe, deployment)
        return live[-1], whole[known.panel.n_bars - 1]

    def _of_whole_history(
        self, universe: Universe, deployment: PaperDeployment
    ) -> tuple[BarPanel, Floats]:
        panel = self.bars.history(universe, deployment.symbols)
        kept = self._whole.get(deployment.digest)
        if kept is None or kept[0] is not panel:
            where = f"{deployment.candidate_id} on the whole history"
            kept = (panel, self._examinee(deployment).weights(panel, where=where))
            self._whole[deployment.digest] = kept
        return kept

    def _overlap(self, universe: Universe, deployment: PaperDeployment, sessions: int) -> Parity:
        """Compare the evaluated weights with those of the code as it runs now."""
        panel, whole = self._of_whole_history(universe, deployment)
        key = (deployment.digest, sessions)
        kept = self._overlaps.get(key)
        if kept is None or kept[0] is not panel:
            kept = (panel, self._compare(panel, whole, deployment, sessions))
            self._overlaps[key] = kept
        return kept[1]

    def _compare(
        self, panel: BarPanel, whole: Floats, deployment: PaperDeployment, sessions: int
    ) -> Parity:
        from torghut_assets.resources.frame_io import read_frame

        record = read_record(
            self._home.store,
            TargetWeights,
            deployment.target_weights_digest,
            location="target_weights of the deployment",
            subject=f"{deployment.candidate_id}|{deployment.snapshot_id}",
        )
        if record.symbols != deployment.symbols:
            return Parity(0, None)
        frame = read_frame(self._home.store, record.frame_digest)
        stored = np.column_stack([frame.column(s).to_numpy() for s in record.symbols])
        days = frame.column("session").to_numpy().astype("datetime64[D]")
        places = np.searchsorted(panel.times.astype("datetime64[D]"), days)
        inside = places < panel.n_bars
        found = panel.times.astype("datetime64[D]")[np.minimum(places, panel.n_bars - 1)]
        if not (inside & (found == days)).all():
            return Parity(0, None)  # a bar that was evaluated is gone
        return compare_weights(stored, whole[places], sessions)

    def _cooling(
        self,
        ledger: Ledger,
        universe: Universe,
        deployment: PaperDeployment,
        times: SessionTimes,
        cooldown: int,
    ) -> frozenset[str]:
        """Symbols whose last order was filled whole within the cooldown.

        A remainder carries on, as in the simulated account.
        """
        last: dict[str, tuple[str, bool]] = {}
        for state in ledger.orders.values():
            asked = state.request
            mine = asked.candidate_id == deployment.candidate_id and asked.session < times.session
            if mine and state.filled and asked.session >= last.get(asked.symbol, ("", False))[0]:
                last[asked.symbol] = (asked.session, state.status == "filled")
        return frozenset(
            symbol
            for symbol, (session, whole) in last.items()
            if whole and self._sessions_since(universe, session, times) <= cooldown
        )

    def _sessions_since(self, universe: Universe, session: str, times: SessionTimes) -> int:
        floor = f"{int(times.session[:4]) - 1}-01-01"
        return self.bars.sessions_between(universe, max(session, floor), times.session)


def require_policies(deployment: PaperDeployment, settings: dict[str, Record]) -> None:
    """Refuse settings that are not those that the deployment was approved with.

    Raises
    ------
    EvidenceContradictionError
        If one differs; deploy again to change a setting.
    """
    for name, record in settings.items():
        expected = deployment.policies.get(name)
        if record.digest != expected:
            raise EvidenceContradictionError(
                location=f"{name} of {deployment.candidate_id}",
                found=record.digest,
                expected=f"{expected}, as it was deployed; deploy again to change it",
            )


def _require_what_was_reconciled(previous: PaperFills, holdings: Holdings) -> None:
    """Refuse a broker that no longer holds what was last reconciled with it."""
    then = {p.symbol: p.quantity for p in previous.positions if p.quantity}
    if then != holdings.shares or abs(previous.cash_usd - holdings.cash_usd) > 0.005:
        raise EvidenceContradictionError(
            location=f"account of {previous.candidate_id}",
            found=f"{holdings.shares} and {holdings.cash_usd:.2f} USD",
            expected=f"{then} and {previous.cash_usd:.2f} USD, as after {previous.session}",
        )


def _recent_messages(
    ledger: Ledger, deployment: PaperDeployment, times: SessionTimes, policies: SessionPolicies
) -> int:
    """Orders and cancels of other sessions in the window before this session's orders."""
    sent = submit_time(times, policies.policy)
    first = _shifted(sent, -policies.limits.message_window_seconds)
    return ledger.messages_between(deployment.candidate_id, first, sent, apart_from=times.session)


def submit_time(times: SessionTimes, policy: PaperPolicy) -> str:
    """Return when the orders of a session are sent in replay."""
    return _shifted(times.opens_at, -policy.submit_before_open_seconds)


def _shifted(moment: str, seconds: int) -> str:
    at = dt.datetime.fromisoformat(moment) + dt.timedelta(seconds=seconds)
    return f"{at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
