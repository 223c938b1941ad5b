with numbered as (
    select
        *,
        row_number() over (partition by evaluation_digest order by sequence) = 1 as is_new_trial
    from {{ ref('stg_trial_tickets') }}
)

select
    numbered.sequence,
    numbered.recorded_at,
    numbered.candidate_id,
    numbered.snapshot_id,
    numbered.family,
    numbered.parent,
    numbered.purpose,
    numbered.status,
    numbered.grid_points,
    numbered.is_new_trial,
    case when numbered.is_new_trial then numbered.grid_points else 0 end as counted_trials,
    sum(case when numbered.is_new_trial then numbered.grid_points else 0 end) over (
        partition by numbered.candidate_id order by numbered.sequence
    )::bigint as candidate_trials_so_far,
    numbered.declared_outside_trials,
    numbered.correlated_tickets,
    numbered.evaluation_digest,
    numbered.outcome_sequence,
    numbered.outcome_digest,
    numbered.result_digest,
    made.asset as result_asset,
    made.ledger_sequence as result_ledger_sequence,
    numbered.digest,
    numbered.ledger_sequence
from numbered
left join {{ ref('stg_records') }} as made on numbered.result_digest = made.digest
order by numbered.sequence
