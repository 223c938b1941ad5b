"""What a window of paper trading says about the cost model: a proposal, never a change.

Read `propose_cost_model` first. The model in force stays what it is; a person accepts a
proposal by putting its settings document, which has a new version, into the home.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, NamedTuple

import numpy as np
from pydantic import Field

from torghut_assets.domain.backtest.records import CostModel
from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError
from torghut_assets.domain.orders.records import Session
from torghut_assets.domain.records import Digest, Measured, Part, Record
from torghut_assets.domain.tca.inputs import Floats
from torghut_assets.domain.tca.records import OrderCosts, PaperTca
from torghut_assets.domain.tca.slippage import BPS

MIN_ORDERS: Final = 200
MIN_SESSIONS: Final = 20
"""Least evidence for a proposal (own convention): four coefficients, fifty orders for each,
and enough sessions for their clustering to be estimated (Cameron and Miller, 2015, say 20)."""

CONFIDENCE: Final = 0.95

Coefficient = Literal[
    "half_spread_bps", "fee_bps", "slippage_volatility_fraction", "impact_coefficient"
]


class CoefficientEstimate(Part):
    """One coefficient: in force, as estimated, and what is proposed.

    The proposal keeps the value in force unless the 95 % interval excludes it; then it is the
    estimate, or 0 if that is negative, which a cost cannot be.
    """

    name: Coefficient
    in_force: Measured
    estimate: Measured
    standard_error: Measured = Field(ge=0)
    low: Measured
    high: Measured
    proposed: Measured = Field(ge=0)


class ProposalEvidence(Part):
    """One session that the estimates rest on."""

    session: Session
    tca_digest: Digest
    orders: int = Field(ge=0)


class CostModelProposal(Record):
    """A new version of the cost model, as estimated from paper trading, for a person to judge."""

    record_kind: ClassVar[str] = "cost-model-proposal"

    candidate_id: str
    first_session: Session
    last_session: Session
    in_force_digest: Digest
    in_force_version: str
    proposed_version: str
    orders: int = Field(ge=MIN_ORDERS)
    sessions: int = Field(ge=MIN_SESSIONS)
    explained_fraction: Measured
    coefficients: tuple[CoefficientEstimate, ...] = Field(min_length=4, max_length=4)
    evidence: tuple[ProposalEvidence, ...] = Field(min_length=MIN_SESSIONS)

    @property
    def changes(self) -> tuple[CoefficientEstimate, ...]:
        """The coefficients that the window contradicts."""
        return tuple(c for c in self.coefficients if c.proposed != c.in_force)


class Observation(NamedTuple):
    """One filled order as the regression sees it; costs in bps, volatility a fraction."""

    session: int
    slippage_bps: float
    fee_bps: float
    volatility: float
    participation: float


@dataclass(frozen=True)
class Fit:
    """Coefficients with a covariance that is robust to clusters, and the explained share."""

    estimate: Floats
    covariance: Floats
    explained: float


def propose_cost_model(records: Sequence[PaperTca], in_force: CostModel) -> CostModelProposal:
    r"""Estimate the cost model's coefficients from the filled orders of a window.

    Arrival slippage is regressed on what the model multiplies,

    .. math:: y_i = h + s\,\sigma_i + k\,\sigma_i\sqrt{p_i} + e_i

    with weights `1 / sigma^2` (a price moves in proportion to its volatility) and a covariance
    that is clustered by session (orders of one session share its move). The fee is the mean
    of what was paid, clustered likewise.

    Parameters
    ----------
    records : sequence of PaperTca
        One candidate's sessions, oldest first.
    in_force : CostModel

    Raises
    ------
    TooFewObservationsError
        With fewer than `MIN_ORDERS` measured orders in `MIN_SESSIONS` sessions.
    StatisticsInputError
        If the orders cannot tell the coefficients apart, or are of several candidates.

    References
    ----------
    Almgren, R. et al. (2005). Direct estimation of equity market impact. Risk 18(7).
    Cameron, A. and Miller, D. (2015). A practitioner's guide to cluster-robust inference.
    Journal of Human Resources 50(2), equation 11.
    """
    if len({record.candidate_id for record in records}) > 1:
        raise StatisticsInputError(
            location="records", found="several candidates", expected="one candidate's sessions"
        )
    observed = [
        item
        for place, record in enumerate(records)
        for row in record.orders
        if (item := _observation(place, row)) is not None
    ]
    n_sessions = len({one.session for one in observed})
    if len(observed) < MIN_ORDERS:
        raise TooFewObservationsError(
            needed=MIN_ORDERS, found=len(observed), location="measured orders"
        )
    if n_sessions < MIN_SESSIONS:
        raise TooFewObservationsError(
            needed=MIN_SESSIONS, found=n_sessions, location="sessions with measured orders"
        )
    table = np.array(observed, dtype=np.float64)
    slippage, fee = _slippage_fit(table), _fee_fit(table)
    fitted = {
        "half_spread_bps": (slippage.estimate[0], slippage.covariance[0, 0]),
        "fee_bps": (fee.estimate[0], fee.covariance[0, 0]),
        "slippage_volatility_fraction": (slippage.estimate[1], slippage.covariance[1, 1]),
        "impact_coefficient": (slippage.estimate[2], slippage.covariance[2, 2]),
    }
    reach = _student(n_sessions - 1)
    return CostModelProposal(
        candidate_id=records[0].candidate_id,
        first_session=records[0].session,
        last_session=records[-1].session,
        in_force_digest=in_force.digest,
        in_force_version=in_force.model_version,
        proposed_version=f"{in_force.model_version}+paper.{records[-1].session}",
        orders=len(observed),
        sessions=n_sessions,
        explained_fraction=slippage.explained,
        coefficients=tuple(
            _estimate(name, float(value), float(variance) ** 0.5, reach, in_force)
            for name, (value, variance) in fitted.items()
        ),
        evidence=tuple(
            ProposalEvidence(
                session=record.session, tca_digest=record.digest, orders=len(record.orders)
            )
            for record in records
        ),
    )


def _observation(session: int, row: OrderCosts) -> Observation | None:
    """Read an order; `None` if it was not filled or a regressor is not known."""
    values = (row.arrival_slippage_bps, row.volatility_fraction, row.participation_fraction)
    slippage, volatility, participation = values
    if slippage is None or not volatility or participation is None or row.shortfall is None:
        return None
    fee_bps = BPS * row.shortfall.fees_usd / row.filled_notional_usd
    return Observation(session, slippage, fee_bps, volatility, participation)


def _slippage_fit(table: Floats) -> Fit:
    """Weighted least squares of slippage on constant, volatility and impact."""
    session, slippage, _, volatility, participation = table.T
    columns = [np.ones_like(volatility), BPS * volatility]
    columns.append(BPS * volatility * np.sqrt(participation))
    return _clustered(np.column_stack(columns), slippage, volatility, session)


def _fee_fit(table: Floats) -> Fit:
    """Mean fee."""
    return _clustered(np.ones((len(table), 1)), table[:, 2], np.ones(len(table)), table[:, 0])


def _clustered(design: Floats, response: Floats, scale: Floats, cluster: Floats) -> Fit:
    """Least squares of rows divided by `scale`, with a cluster-robust covariance."""
    x, y = design / scale[:, np.newaxis], response / scale
    sizes = np.linalg.norm(x, axis=0)
    if not (sizes > 0.0).all() or np.linalg.cond(x / sizes) > 1e6:
        raise StatisticsInputError(
            location="orders",
            found="the same mixture of volatility and participation in all of them",
            expected="orders that differ in both",
            action="Use a longer window, or keep the model in force.",
        )
    inner = np.linalg.inv(x.T @ x)
    estimate = inner @ (x.T @ y)
    residual = y - x @ estimate
    scores = x * residual[:, np.newaxis]
    groups, place = np.unique(cluster, return_inverse=True)
    summed = np.zeros((groups.size, x.shape[1]))
    np.add.at(summed, place, scores)
    n, k, g = x.shape[0], x.shape[1], groups.size
    correction = g / (g - 1) * (n - 1) / (n - k)
    total = float(np.sum((y - y.mean()) ** 2))
    return Fit(
        estimate=estimate,
        covariance=correction * inner @ (summed.T @ summed) @ inner,
        explained=1.0 - float(residual @ residual) / total if total > 0.0 else 0.0,
    )


def _student(degrees: int) -> float:
    """Two-sided 95 % quantile of Student's t."""
    from scipy.special import stdtrit  # late: keeps SciPy out of the import of this module

    return float(stdtrit(degrees, 0.5 + CONFIDENCE / 2.0))


def _estimate(
    name: str, value: float, error: float, reach: float, in_force: CostModel
) -> CoefficientEstimate:
    now = float(getattr(in_force, name))
    low, high = value - reach * error, value + reach * error
    contradicted = not low <= now <= high
    return CoefficientEstimate.model_validate(
        {
            "name": name,
            "in_force": now,
            "estimate": value,
            "standard_error": error,
            "low": low,
            "high": high,
            "proposed": max(value, 0.0) if contradicted else now,
        }
    )
