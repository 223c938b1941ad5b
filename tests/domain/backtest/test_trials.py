import datetime as dt
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from register_examples import NINE, POLICY, Chain, digest, inputs, policy, trial

import torghut_assets
from torghut_assets.domain.backtest.register_checks import (
    TrialRegisterBrokenError,
    read_register,
    verify_register,
)
from torghut_assets.domain.backtest.trial_policy import parse_trial_policy
from torghut_assets.domain.backtest.trials import (
    Acknowledgement,
    RegisterRelocation,
    RegisterRow,
    TrialTicket,
    describe_trial,
    read_entry,
)
from torghut_assets.domain.candidates.records import (
    CandidateSpec,
    ConformanceResult,
    FeatureHypothesis,
    RegimeExpectation,
    StrategyBuild,
    StrategyReference,
)
from torghut_assets.domain.errors import BadInputError, EvidenceContradictionError, EvidenceError
from torghut_assets.domain.verdicts import Verdict

SHIPPED_POLICY = Path(torghut_assets.__file__).parent / "config" / "trial_policy.yaml"


def codes(rows, anchor):
    return {finding.code for finding in verify_register(rows, anchor)}


def busy_chain():
    chain = Chain()
    first = chain.ticket("momentum-a")
    second = chain.ticket("momentum-b")
    chain.end(first)
    chain.end(second, None)
    chain.end(chain.ticket("momentum-c"))
    return chain


@pytest.mark.parametrize(
    "changed",
    [
        "spec_digest",
        "manifest_digest",
        "cost_model_digest",
        "risk_limits_digest",
        "settings_digest",
        "trial_policy_digest",
    ],
)
def test_another_input_is_another_trial(changed):
    other = trial(inputs=inputs(**{changed: digest("something else")}))
    assert other.evaluation_digest != trial().evaluation_digest


def test_another_grid_or_other_code_is_another_trial():
    digests = {
        trial(grid=10).evaluation_digest,
        trial(grid=11).evaluation_digest,
        trial(code="x").evaluation_digest,
    }
    assert len(digests) == 3


def test_the_same_evaluation_for_another_purpose_is_the_same_trial():
    again = trial().model_copy(update={"purpose": "stress_metrics", "declared_outside_trials": 5})
    assert again.evaluation_digest == trial().evaluation_digest


def test_a_conformance_run_alone_makes_no_new_trial():
    again = trial(inputs=inputs(build_digest=digest("same code, other build record")))
    assert again.evaluation_digest == trial().evaluation_digest


def test_a_time_that_is_not_utc_is_refused():
    local = NINE.astimezone(dt.timezone(dt.timedelta(hours=2)))
    with pytest.raises(ValidationError, match="not in UTC"):
        TrialTicket(sequence=1, previous_digest="0" * 64, recorded_at=local, trial=trial())


def test_entries_read_back_as_what_they_were():
    chain = busy_chain()
    assert [read_entry(row) for row in chain.rows()] == chain.entries


@pytest.mark.parametrize(
    "payload", [b"", b"not json", b"[1]", b"{}", b'{"kind":"gate-report","record":{},"version":1}']
)
def test_what_is_no_entry_is_refused(payload):
    with pytest.raises(EvidenceError, match="entry 7"):
        read_entry(RegisterRow(7, digest("x"), payload))


def test_a_whole_register_has_no_findings():
    chain = busy_chain()
    assert verify_register(chain.rows(), chain.anchor()) == ()
    assert read_register(chain.rows(), chain.anchor(), location="r") == tuple(chain.entries)
    assert verify_register([], None) == ()


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_byte_of_any_entry_can_change_unnoticed(data):
    chain = busy_chain()
    rows = chain.rows()
    at = data.draw(st.integers(0, len(rows) - 1))
    place = data.draw(st.integers(0, len(rows[at].payload) - 1))
    byte = data.draw(st.integers(1, 255))
    payload = bytearray(rows[at].payload)
    payload[place] ^= byte
    rows[at] = rows[at]._replace(payload=bytes(payload))
    found = verify_register(rows, chain.anchor())
    assert any(finding.severity == "broken" for finding in found)


@settings(max_examples=60, deadline=None)
@given(dropped=st.sets(st.integers(0, 5), min_size=1))
def test_no_set_of_rows_can_be_dropped_unnoticed(dropped):
    chain = busy_chain()
    rows = [row for i, row in enumerate(chain.rows()) if i not in dropped]
    assert any(f.severity == "broken" for f in verify_register(rows, chain.anchor()))


@settings(max_examples=60, deadline=None)
@given(kept=st.sets(st.integers(0, 4), max_size=4))
def test_a_history_forged_from_scratch_is_not_the_anchored_one(kept):
    chain = busy_chain()
    forged = Chain()
    forged.now = NINE + dt.timedelta(days=1)
    for index in sorted(kept):
        forged.ticket(f"forged-{index}")
    found = codes(forged.rows(), chain.anchor())
    assert found & {"truncated", "other_history"}


def test_renumbered_rows_are_misplaced():
    chain = busy_chain()
    rows = [row for row in chain.rows() if row.sequence != 2]
    rows = [row._replace(sequence=i) for i, row in enumerate(rows, start=1)]
    found = codes(rows, chain.anchor())
    assert {"misplaced", "chain_break", "truncated"} <= found


def test_a_gap_is_found_by_its_sequence():
    chain = busy_chain()
    rows = [row for row in chain.rows() if row.sequence != 2]
    gap = next(f for f in verify_register(rows, chain.anchor()) if f.code == "gap")
    assert gap.sequence == 3
    assert "2 belongs" in gap.detail


def test_a_lost_tail_is_found_by_the_anchor_alone():
    chain = busy_chain()
    assert codes(chain.rows()[:4], chain.anchor()) == {"truncated"}


def test_a_lost_anchor_is_found():
    chain = busy_chain()
    assert codes(chain.rows(), None) == {"anchor_missing"}


def test_entries_after_the_anchor_are_a_crash_and_no_harm():
    chain = busy_chain()
    finding = verify_register(chain.rows(), chain.anchor(3))[0]
    assert (finding.code, finding.severity) == ("behind_register", "notice")
    assert len(read_register(chain.rows(), chain.anchor(3), location="r")) == len(chain.entries)


def test_a_broken_register_is_not_read():
    chain = busy_chain()
    with pytest.raises(TrialRegisterBrokenError, match="truncated") as caught:
        read_register(chain.rows()[:2], chain.anchor(), location="home/trials.sqlite")
    assert caught.value.exit_code == 3
    assert caught.value.finding.sequence == 2


def test_an_outcome_needs_its_own_ticket():
    chain = Chain()
    ticket = chain.ticket("momentum-a")
    chain.end(ticket.model_copy(update={"sequence": 9}))
    assert "ticket_unknown" in codes(chain.rows(), chain.anchor())


def test_a_ticket_ends_once():
    chain = Chain()
    ticket = chain.ticket("momentum-a")
    chain.end(ticket, None)
    chain.end(ticket)
    assert codes(chain.rows(), chain.anchor()) == {"second_outcome"}


def test_a_clock_that_goes_back_is_noticed_and_orders_nothing():
    chain = Chain()
    chain.done("momentum-a")
    chain.now = NINE - dt.timedelta(days=30)
    chain.done("momentum-b")
    found = verify_register(chain.rows(), chain.anchor())
    assert [(f.code, f.sequence, f.severity) for f in found] == [
        ("clock_went_back", 3, "notice"),
        ("clock_went_back", 4, "notice"),
    ]


def test_a_ticket_without_outcome_is_noticed():
    chain = Chain()
    chain.ticket("momentum-a")
    finding = verify_register(chain.rows(), chain.anchor())[0]
    assert (finding.code, finding.severity) == ("no_outcome", "notice")


def test_a_relocation_is_suspect_until_somebody_answers_for_it():
    chain = Chain()
    chain.done("momentum-a")
    chain.add(RegisterRelocation(**chain.position(), anchored_sequence=2))
    before = verify_register(chain.rows(), chain.anchor())
    assert [(f.code, f.sequence, f.severity) for f in before] == [("relocated", 3, "suspect")]
    chain.add(
        Acknowledgement(
            **chain.position(), subject_sequence=3, by="A. Operator", reason="a new and larger disk"
        )
    )
    assert verify_register(chain.rows(), chain.anchor()) == ()


def test_a_policy_that_does_not_record_what_it_joins_is_refused():
    shipped = SHIPPED_POLICY.read_bytes()
    changed = shipped.replace(b"recorded_correlation: 0.80", b"recorded_correlation: 0.97")
    assert parse_trial_policy(shipped).join_correlation == 0.95
    with pytest.raises(BadInputError, match="recorded_correlation must not exceed"):
        parse_trial_policy(changed)


def test_another_policy_has_another_digest():
    assert policy(holdout_months=6).digest != POLICY.digest


def spec_and_build(**changes):
    fields = {
        "candidate_id": "momentum-a",
        "title": "A trend",
        "author": "Researcher",
        "thesis": "Trends persist because information spreads slowly.",
        "universe": "us-megacaps",
        "feature_hypotheses": (
            FeatureHypothesis(feature="close", hypothesis="carries the trend itself"),
        ),
        "expected_regimes": (RegimeExpectation(regime="bull", expectation="earns its return"),),
        "strategy": StrategyReference(type="trend", version="1.0.0"),
        "parameters": {"fast": 7},
        "parameter_grid": {"fast": (10, 20, 60), "slow": (50, 100)},
        "parent": "momentum-zero",
        "prior_run_evidence": (),
        "declared_outside_trials": 12,
    }
    spec = CandidateSpec(**(fields | changes))
    build = StrategyBuild(
        candidate_id=spec.candidate_id,
        spec_digest=spec.digest,
        strategy_type="trend",
        strategy_version="1.0.0",
        code_digest=digest("code"),
        code_module="trend_v1",
        parameter_schema_json="{}",
        parameters=spec.parameters,
        warm_up_bars=50,
        results=(ConformanceResult(test="deterministic", verdict=Verdict.PASS, detail=""),),
    )
    return spec, build


def test_a_trial_is_described_by_the_specification_alone():
    spec, build = spec_and_build()
    of = inputs(spec_digest=spec.digest, build_digest=build.digest)
    found = describe_trial(spec, build, of, purpose="backtest_metrics")
    assert (found.parent, found.declared_outside_trials) == ("momentum-zero", 12)
    assert (found.family, found.code_digest) == ("trend", digest("code"))


@pytest.mark.parametrize(
    ("parameters", "points"),
    [({"fast": 10, "slow": 50}, 6), ({"fast": 7, "slow": 50}, 7), ({"fast": 10}, 7)],
)
def test_the_declared_point_counts_unless_the_grid_lists_it(parameters, points):
    spec, build = spec_and_build(parameters=parameters)
    of = inputs(spec_digest=spec.digest, build_digest=build.digest)
    assert describe_trial(spec, build, of, purpose="target_weights").grid_points == points


def test_a_trial_is_not_described_by_records_of_different_candidates():
    spec, build = spec_and_build()
    other, other_build = spec_and_build(title="Another trend")
    right = {"spec_digest": spec.digest, "build_digest": build.digest}
    for wrong in (
        (spec, build, inputs(**(right | {"spec_digest": other.digest}))),
        (spec, build, inputs(**(right | {"build_digest": other_build.digest}))),
        (spec, build, inputs("momentum-b", **right)),
        (spec, other_build, inputs(**(right | {"build_digest": other_build.digest}))),
    ):
        with pytest.raises(EvidenceContradictionError):
            describe_trial(*wrong, purpose="backtest_metrics")
