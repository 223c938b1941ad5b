"""Transaction cost analysis: what each paper session's orders really cost."""

from collections.abc import Iterable

import dagster as dg

from torghut_assets.assets.partitions import CANDIDATE_SESSIONS
from torghut_assets.assets.tables import rounded, table
from torghut_assets.domain.backtest.records import CostModel, EvaluationSettings
from torghut_assets.domain.identifiers import parse_session_key
from torghut_assets.domain.orders.records import (
    OrderIntents,
    PaperDeployment,
    PaperFills,
    PaperOrders,
)
from torghut_assets.domain.tca.aggregate import CostSummary, Dimension, Metric, cost_table
from torghut_assets.domain.tca.records import PaperTca
from torghut_assets.domain.tca.session import SessionEvidence
from torghut_assets.domain.tca.session import paper_tca as analyse
from torghut_assets.resources.code_version import code_digest
from torghut_assets.resources.tca_desk import TcaDesk

_TCA_CODE = code_digest("domain/tca", "domain/records.py", "domain/digests.py")
_SHOWN_BY: tuple[Dimension, ...] = ("all", "side", "hour", "order_type", "policy", "symbol")
_SHOWN: tuple[Metric, ...] = ("shortfall_bps", "vwap_slippage_bps", "excess_cost_bps")


@dg.asset(
    partitions_def=CANDIDATE_SESSIONS,
    group_name="shadow_paper_deployment",
    owners=["team:execution"],
    kinds={"json"},
    io_manager_key="record_io",
    code_version=_TCA_CODE[:16],
)
def paper_tca(
    context: dg.AssetExecutionContext,
    tca_desk: dg.ResourceParam[TcaDesk],
    paper_deployment: PaperDeployment,
    order_intents: OrderIntents,
    paper_orders: PaperOrders,
    paper_fills: PaperFills,
    cost_model: CostModel,
    evaluation_settings: EvaluationSettings,
) -> dg.MaterializeResult[PaperTca]:
    """Cost of every order of a session in its parts, next to what the cost model expected."""
    session = parse_session_key(str(context.partition_key)).session.isoformat()
    record = analyse(
        SessionEvidence(
            deployment=paper_deployment,
            intents=order_intents,
            orders=paper_orders,
            fills=paper_fills,
            cost_model=cost_model,
            conditions=tca_desk.conditions(
                paper_deployment, session, cost_model, evaluation_settings
            ),
        )
    )
    return dg.MaterializeResult(
        value=record,
        data_version=dg.DataVersion(record.digest),
        metadata={
            "verdict": record.verdict.value,
            "orders": len(record.orders),
            "volatility_regime": record.conditions.volatility_regime,
            "per_order": table(
                {
                    "symbol": row.symbol,
                    "side": row.side,
                    "status": row.status,
                    "fill_rate": rounded(row.fill_rate_fraction),
                    "shortfall_bps": rounded(row.shortfall_bps, 2),
                    "arrival_bps": rounded(row.arrival_slippage_bps, 2),
                    "expected_bps": rounded(row.expected_cost_bps, 2),
                    "realised_bps": rounded(row.realised_cost_bps, 2),
                }
                for row in record.orders
            ),
            "summary_bps": table(
                {
                    "of": " ".join(dict.fromkeys((summary.dimension, summary.group))),
                    "metric": summary.metric.removesuffix("_bps"),
                    "orders": summary.orders,
                    "mean": rounded(summary.mean, 1),
                    "mean_from": rounded(summary.low, 1),
                    "mean_to": rounded(summary.high, 1),
                    "p50": rounded(summary.p50, 1),
                    "p95": rounded(summary.p95, 1),
                }
                for summary in _telling(cost_table([record], _SHOWN_BY, _SHOWN))
            ),
        },
    )


def _telling(summaries: Iterable[CostSummary]) -> list[CostSummary]:
    """Leave out a dimension with one group only: it says again what `all` says."""
    found = list(summaries)
    groups = {s.dimension: {o.group for o in found if o.dimension == s.dimension} for s in found}
    return [s for s in found if s.dimension == "all" or len(groups[s.dimension]) > 1]
