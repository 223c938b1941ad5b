{{ config(meta={'dagster': {'ref': {'name': 'tca_daily'}}}) }}
-- Parts and whole within a billionth of what was ordered.
select candidate_id, session, shortfall_usd, delay_usd + trading_usd + opportunity_usd + fees_usd
from {{ ref('tca_daily') }}
where abs(shortfall_usd - (delay_usd + trading_usd + opportunity_usd + fees_usd))
    > 1e-9 * notional_usd
