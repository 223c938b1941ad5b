{{ config(severity='warn', meta={'dagster': {'ref': {'name': 'order_lineage'}}}) }}
-- A fill that does not lead back to strategy, approval, gate, trials and bytes is shown, not hidden.
select order_key, fill_id, broken_link, broken_because
from {{ ref('order_lineage') }}
where not chain_resolves and not chain_is_removed
