with costs as (
    select
        candidate_id,
        session,
        digest,
        ledger_sequence,
        fills_digest,
        count(*) as orders,
        count(*) filter (shortfall_usd is null) as unmeasured_orders,
        sum(ordered_shares) as ordered_shares,
        sum(filled_shares) as filled_shares,
        sum(notional_usd) as notional_usd,
        sum(filled_notional_usd) as filled_notional_usd,
        sum(delay_usd) as delay_usd,
        sum(trading_usd) as trading_usd,
        sum(opportunity_usd) as opportunity_usd,
        sum(fees_usd) as fees_usd,
        sum(shortfall_usd) as shortfall_usd,
        1e4 * sum(shortfall_usd) / nullif(sum(notional_usd) filter (shortfall_usd is not null), 0)
            as shortfall_bps,
        sum(realised_cost_bps * filled_notional_usd)
            / nullif(sum(filled_notional_usd) filter (realised_cost_bps is not null), 0)
            as realised_cost_bps,
        sum(expected_cost_bps * filled_notional_usd)
            / nullif(sum(filled_notional_usd) filter (expected_cost_bps is not null), 0)
            as expected_cost_bps
    from {{ ref('stg_order_costs') }}
    where is_current
    group by candidate_id, session, digest, ledger_sequence, fills_digest
)

select
    costs.*,
    traded.net_return_fraction,
    traded.turnover_fraction,
    traded.equity_after_usd
from costs
left join {{ ref('stg_sessions') }} as traded on costs.fills_digest = traded.digest
order by costs.candidate_id, costs.session
