with stages as (
    {% for stage in stages() -%}
    select {{ loop.index }} as position, '{{ stage }}' as stage
    {% if not loop.last %}union all {% endif -%}
    {% endfor %}
),

decided as (
    select
        stage,
        count(*) as decisions,
        count(distinct candidate_id) as candidates_decided,
        count(distinct candidate_id) filter (outcome = 'pass') as candidates_passed,
        count(distinct candidate_id) filter (outcome = 'fail') as candidates_failed,
        count(*) filter (outcome = 'pass') as passed,
        count(*) filter (outcome = 'fail') as failed,
        count(*) filter (outcome = 'missing') as missing,
        count(*) filter (outcome = 'inconclusive') as inconclusive,
        count(*) filter (outcome = 'superseded') as superseded,
        arg_max(digest, sequence) as digest,
        max(ledger_sequence) as ledger_sequence
    from {{ ref('stg_stage_receipts') }}
    group by stage
),

standing as (
    select stands_at, count(*) as candidates_standing
    from (
        select candidate_id, arg_max(to_stage, sequence) as stands_at
        from {{ ref('stg_stage_receipts') }}
        group by candidate_id
    )
    group by stands_at
)

select
    stages.position,
    stages.stage,
    coalesce(decided.candidates_decided, 0) as candidates_decided,
    coalesce(decided.candidates_passed, 0) as candidates_passed,
    coalesce(decided.candidates_failed, 0) as candidates_failed,
    coalesce(standing.candidates_standing, 0) as candidates_standing,
    coalesce(decided.decisions, 0) as decisions,
    coalesce(decided.passed, 0) as passed,
    coalesce(decided.failed, 0) as failed,
    coalesce(decided.missing, 0) as missing,
    coalesce(decided.inconclusive, 0) as inconclusive,
    coalesce(decided.superseded, 0) as superseded,
    decided.digest,
    decided.ledger_sequence
from stages
left join decided on stages.stage = decided.stage
left join standing on stages.stage = standing.stands_at
order by stages.position
