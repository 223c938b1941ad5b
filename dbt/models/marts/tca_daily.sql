with analyses as (
    -- a session without orders was analysed as well
    select
        candidate_id,
        split_part(partition, '|', 2)::date as session,
        digest,
        ledger_sequence
    from {{ ref('stg_records') }}
    where asset = 'paper_tca' and is_current and not is_removed
),

costs as (
    select
        digest,
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
    group by digest
)

select
    analyses.candidate_id,
    analyses.session,
    coalesce(costs.orders, 0) as orders,
    coalesce(costs.unmeasured_orders, 0) as unmeasured_orders,
    coalesce(costs.ordered_shares, 0)::bigint as ordered_shares,
    coalesce(costs.filled_shares, 0)::bigint as filled_shares,
    coalesce(costs.notional_usd, 0) as notional_usd,
    coalesce(costs.filled_notional_usd, 0) as filled_notional_usd,
    costs.delay_usd,
    costs.trading_usd,
    costs.opportunity_usd,
    costs.fees_usd,
    costs.shortfall_usd,
    costs.shortfall_bps,
    costs.realised_cost_bps,
    costs.expected_cost_bps,
    traded.net_return_fraction,
    traded.turnover_fraction,
    traded.equity_after_usd,
    traded.digest as fills_digest,
    analyses.digest,
    analyses.ledger_sequence
from analyses
left join costs on analyses.digest = costs.digest
left join {{ ref('stg_sessions') }} as traded
    on analyses.candidate_id = traded.candidate_id
    and analyses.session = traded.session
    and traded.is_current
order by analyses.candidate_id, analyses.session
