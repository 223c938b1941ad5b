import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from register_examples import POLICY, Chain, digest, inputs, policy

import torghut_assets
from torghut_assets.domain.backtest.holdout import HoldoutWindow
from torghut_assets.domain.backtest.overfit_records import (
    FoldStability,
    HoldoutResult,
    NeighbourhoodSensitivity,
    OverfitDiagnostics,
    SharpeInterval,
)
from torghut_assets.domain.backtest.records import (
    BacktestMetrics,
    EvaluationSettings,
    FoldResult,
    PathMetrics,
    RegimeResult,
    SensitivityResult,
    SymbolResult,
)
from torghut_assets.domain.backtest.trial_claims import (
    UnregisteredBacktestError,
    check_count,
    check_diagnostics,
    ticket_behind,
)
from torghut_assets.domain.backtest.trial_count import count_trials
from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.records import parse_record

POLICIES = {POLICY.digest: POLICY}
SHIPPED = Path(torghut_assets.__file__).parent / "config"
SETTINGS = parse_record(
    EvaluationSettings,
    parse_yaml((SHIPPED / "evaluation.yaml").read_bytes(), location="evaluation.yaml"),
    location="evaluation.yaml",
)
WINDOW = HoldoutWindow(
    first_bar=250,
    end_bar=500,
    first_session=dt.date(2021, 1, 1),
    last_session=dt.date(2021, 12, 31),
)


def count(chain, candidate="momentum-a", rule=POLICY):
    return count_trials(chain.entries, candidate, rule)


def test_n_is_the_sum_of_grid_points_of_distinct_evaluations():
    chain = Chain()
    chain.done("momentum-a", grid=10)
    chain.done("momentum-a", grid=25)
    chain.done("reversal-a", grid=1_000)
    found = count(chain)
    assert (found.raw, found.backtests, found.tickets, found.repeats) == (35, 2, 2, 0)


def test_computing_the_same_again_adds_a_ticket_and_no_trial():
    chain = Chain()
    for _ in range(5):
        chain.done("momentum-a", grid=10)
    found = count(chain)
    assert (found.raw, found.tickets, found.repeats) == (10, 5, 4)


def test_another_snapshot_or_another_cost_model_is_another_trial():
    chain = Chain()
    chain.done("momentum-a")
    chain.done("momentum-a", inputs=inputs(manifest_digest=digest("2022")))
    chain.done("momentum-a", inputs=inputs(cost_model_digest=digest("cheaper")))
    assert count(chain).raw == 30


def test_an_evaluation_that_never_finished_counts():
    chain = Chain()
    chain.done("momentum-a", grid=1)
    chain.end(chain.ticket("momentum-a", grid=20), None)
    chain.ticket("momentum-a", grid=300)
    found = count(chain)
    assert (found.raw, found.abandoned) == (321, 2)


def test_an_evaluation_that_finished_at_the_second_attempt_is_not_abandoned():
    chain = Chain()
    chain.end(chain.ticket("momentum-a"), None)
    chain.done("momentum-a")
    assert (count(chain).raw, count(chain).abandoned) == (10, 0)


def test_a_child_inherits_and_the_parent_is_charged_too():
    chain = Chain()
    chain.done("parent", grid=100)
    chain.done("child", grid=7, parent="parent")
    chain.done("sibling", grid=1_000, parent="parent")
    child = count(chain, "child")
    assert (child.raw, child.own_trials, child.ancestor_trials) == (1_107, 7, 100)
    assert count(chain, "parent").raw == 1_107


def test_declared_outside_trials_never_go_down():
    chain = Chain()
    chain.done("momentum-a", declared_outside_trials=500)
    chain.done("momentum-a", grid=11, declared_outside_trials=0)
    chain.done("momentum-b", parent="momentum-a", declared_outside_trials=30)
    chain.done("reversal-a", declared_outside_trials=9_000)
    found = count(chain)
    assert (found.declared_outside, found.raw) == (530, 10 + 11 + 10 + 530)


def test_unfinished_trials_of_other_families_are_shown_and_not_added():
    chain = Chain()
    chain.done("momentum-a", grid=10)
    chain.ticket("something-else", grid=77)
    found = count(chain)
    assert (found.raw, found.unattributed_trials) == (10, 77)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["aaaa", "bbbb", "cccc"]),
        st.integers(1, 50),
        st.sampled_from(["code-1", "code-2"]),
        st.sampled_from(["finish", "abandon", "crash"]),
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=100, deadline=None)
@given(steps=STEPS)
def test_n_never_goes_down_and_does_not_ask_how_it_ended(steps):
    chain, finishing = Chain(), Chain()
    first = steps[0][0]
    seen = 0
    for candidate, grid, code, ending in steps:
        ticket = chain.ticket(candidate, grid=grid, code=code)
        if ending != "crash":
            chain.end(ticket, "result" if ending == "finish" else None)
        finishing.done(candidate, grid=grid, code=code)
        now = count(chain, first).raw
        assert now >= seen
        seen = now
    assert seen == count(finishing, first).raw


def test_a_count_says_as_of_which_entry():
    chain = Chain()
    chain.done("momentum-a")
    early = count(chain)
    chain.done("momentum-a", grid=1_000)
    assert (early.head_sequence, early.head_digest) == (2, chain.entries[1].digest)
    assert check_count(chain.entries, early, POLICIES) is None
    assert count(chain).raw == 1_010


@pytest.mark.parametrize(
    "edit",
    [
        {"registered_trials": 1},
        {"declared_outside": 0},
        {"holdout_looks": 0},
        {"members": ()},
        {"head_digest": digest("another history")},
        {"head_sequence": 99},
        {"policy_digest": digest("a lenient policy")},
        {"candidate_id": "never-run"},
    ],
)
def test_an_edited_count_is_contradicted_by_the_register(edit):
    chain = Chain()
    ticket = chain.done("momentum-a", declared_outside_trials=3)
    chain.done("momentum-b", parent="momentum-a")
    chain.look(ticket, WINDOW)
    true = count(chain)
    finding = check_count(chain.entries, true.model_copy(update=edit), POLICIES)
    assert finding is not None
    assert (finding.code, finding.severity) == ("claim_differs", "broken")


def test_a_register_rebuilt_without_trials_contradicts_the_counts_that_it_gave():
    chain, rebuilt = Chain(), Chain()
    chain.done("momentum-a", grid=1_000)
    chain.done("momentum-a", grid=5)
    claimed = count(chain)
    rebuilt.done("momentum-a", grid=5)
    rebuilt.done("reversal-a", grid=5)
    assert check_count(rebuilt.entries, claimed, POLICIES) is not None


def metrics(of, grid_points=10):
    path = PathMetrics(n_bars=1, **dict.fromkeys(PathMetrics.model_fields.keys() - {"n_bars"}, 0.0))
    day = dt.date(2021, 1, 4)
    return BacktestMetrics(
        inputs=of,
        target_weights_digest=digest("weights"),
        settings=SETTINGS,
        grid_points=grid_points,
        folds=(
            FoldResult(
                fold=1,
                train_start_bar=0,
                train_end_bar=2,
                test_start_bar=2,
                test_end_bar=3,
                train_bars=2,
                train_first=day,
                train_last=day,
                test_first=day,
                test_last=day,
                chosen={},
                train_sharpe_annual=None,
                test=path,
            ),
        ),
        out_of_sample=path,
        in_sample_sharpe_annual=None,
        declared=path,
        gross_of_costs_sharpe_annual=None,
        by_symbol=(
            SymbolResult(
                symbol="AAPL",
                contribution_fraction=0.0,
                cost_fraction=0.0,
                turnover=0.0,
                max_weight_fraction=0.0,
                traded_notional_usd=0.0,
            ),
        ),
        by_regime=(
            RegimeResult(
                regime="calm",
                n_bars=1,
                total_return_fraction=None,
                sharpe_annual=None,
                max_drawdown_fraction=None,
            ),
        ),
        sensitivity=SensitivityResult(
            declared_sharpe_annual=None,
            neighbours=0,
            neighbour_median_sharpe_annual=None,
            neighbour_worst_sharpe_annual=None,
            grid_share_positive=None,
        ),
        capacity_usd=None,
        path_frame_digest=digest("path"),
        grid_returns_frame_digest=digest("grid"),
    )


def chain_with(found):
    chain = Chain()
    ticket = chain.ticket("momentum-a")
    outcome = chain.end(ticket)
    chain.entries[-1] = outcome.model_copy(update={"result_digest": found.digest})
    return chain, ticket


def test_a_backtest_is_traced_to_its_ticket():
    found = metrics(inputs())
    chain, ticket = chain_with(found)
    assert ticket_behind(chain.entries, found) == ticket


def test_a_backtest_without_a_ticket_is_no_evidence():
    chain, _ = chain_with(metrics(inputs()))
    with pytest.raises(UnregisteredBacktestError, match="torghut run"):
        ticket_behind(chain.entries, metrics(inputs(), grid_points=9))


@pytest.mark.parametrize("other", [(inputs("momentum-b"), 10), (inputs(), 1_000)])
def test_a_backtest_under_a_ticket_for_something_else_is_no_evidence(other):
    found = metrics(*other)
    chain, _ = chain_with(found)
    with pytest.raises(EvidenceContradictionError):
        ticket_behind(chain.entries, found)


def diagnostics(chain, **changes):
    found = count(chain)
    fields = {
        "inputs": inputs(),
        "backtest_digest": digest("result"),
        "trials_raw": found.raw,
        "trials_effective": None,
        "trials_declared_outside": found.declared_outside,
        "trial_register_head": found.head_digest,
        "pbo_blocks": 0,
        "observed_bars": 100,
        "sensitivity": NeighbourhoodSensitivity(
            neighbours=0, median_ratio=None, worst_ratio=None, narrow_peak_ratio=None
        ),
        "fold_stability": FoldStability(
            folds=1,
            positive_share=None,
            sharpe_annual_mean=None,
            sharpe_annual_standard_deviation=None,
            sharpe_annual_worst=None,
            largest_return_share=None,
        ),
        "sharpe_interval": SharpeInterval(
            confidence=0.95, sharpe_annual_low=None, sharpe_annual_high=None
        ),
        "holdout": None,
        "seed": 0,
        "resamples": 0,
    }
    needed = {n for n, f in OverfitDiagnostics.model_fields.items() if f.is_required()}
    absent = needed - fields.keys()
    return OverfitDiagnostics(**(fields | dict.fromkeys(absent) | changes))


def diagnosed_chain():
    chain = Chain()
    ticket = chain.done("momentum-a", declared_outside_trials=3)
    return chain, chain.look(ticket, WINDOW)


def holdout(receipt_digest):
    return HoldoutResult(
        n_bars=250,
        sharpe_annual=1.0,
        total_return_fraction=0.1,
        receipt_digest=receipt_digest,
        looks=1,
    )


def test_true_diagnostics_have_no_finding_even_later():
    chain, receipt = diagnosed_chain()
    claimed = diagnostics(chain, holdout=holdout(receipt.digest))
    chain.done("momentum-a", grid=500)
    assert check_diagnostics(chain.entries, claimed, POLICIES) is None


@pytest.mark.parametrize(
    "edit",
    [
        {"trials_raw": 1},
        {"trials_raw": 14},
        {"trials_declared_outside": 0},
        {"trial_register_head": digest("elsewhere")},
        {"backtest_digest": digest("made at home")},
        {"holdout": holdout(digest("no receipt"))},
        {"inputs": inputs("never-run")},
        {"inputs": inputs(trial_policy_digest=policy(join_correlation=1.0).digest)},
    ],
)
def test_edited_diagnostics_are_contradicted_by_the_register(edit):
    chain, _ = diagnosed_chain()
    finding = check_diagnostics(chain.entries, diagnostics(chain, **edit), POLICIES)
    assert finding is not None
    assert finding.severity == "broken"
