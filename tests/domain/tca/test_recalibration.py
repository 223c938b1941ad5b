"""A proposal recovers the costs that orders were made with, and keeps what it cannot contradict."""

import numpy as np
import pytest
import session_examples as paper
import tca_examples as examples
from hypothesis import given, settings
from hypothesis import strategies as st

from torghut_assets.domain.backtest.settings import parse_cost_model
from torghut_assets.domain.errors import StatisticsInputError, TooFewObservationsError
from torghut_assets.domain.tca.cost_model_document import settings_document
from torghut_assets.domain.tca.recalibration import CostModelProposal, propose_cost_model

IN_FORCE = examples.cost_model()
window = examples.window


def by_name(proposal):
    return {c.name: c for c in proposal.coefficients}


def test_costs_without_noise_are_recovered_exactly():
    found = by_name(propose_cost_model(window(), IN_FORCE))
    values = [c.estimate for c in found.values()]
    assert values == pytest.approx([6.0, 0.9, 0.05, 1.5], rel=1e-6)
    assert [c.proposed for c in found.values()] == pytest.approx(values)


@settings(max_examples=10)
@given(seed=st.integers(0, 1_000))
def test_with_noise_the_truth_is_within_a_few_standard_errors(seed):
    found = by_name(propose_cost_model(window(60, 10, 0.05, seed), IN_FORCE))
    for name, truth in (("half_spread_bps", 6.0), ("impact_coefficient", 1.5)):
        assert abs(found[name].estimate - truth) < 5 * found[name].standard_error


def test_what_the_orders_do_not_contradict_is_kept():
    """The interval has 95 %, so a true value is changed in about one of twenty windows."""
    truth = (1.0, 0.02, 0.8, 0.3)
    name = "impact_coefficient"
    kept = 0
    for seed in range(40):
        found = by_name(propose_cost_model(window(40, 5, 0.2, seed, truth), IN_FORCE))
        kept += found[name].proposed == IN_FORCE.impact_coefficient
    assert 34 <= kept <= 40


def test_a_negative_estimate_is_proposed_as_nothing():
    found = by_name(propose_cost_model(window(truth=(-5.0, 0.05, 1.5, 0.3)), IN_FORCE))
    assert found["half_spread_bps"].estimate == pytest.approx(-5.0)
    assert found["half_spread_bps"].proposed == 0.0


def test_the_standard_error_is_clustered_by_session():
    """Ten orders with the fee of their session say no more than one: sd / sqrt(sessions)."""
    fees = np.linspace(0.1, 0.9, 25) ** 2
    records = []
    for record, fee in zip(window(25), fees, strict=True):
        parts = record.orders[0].shortfall.model_copy(update={"fees_usd": fee * 18_150.0 / 1e4})
        rows = tuple(row.model_copy(update={"shortfall": parts}) for row in record.orders)
        records.append(record.model_copy(update={"orders": rows}))
    found = by_name(propose_cost_model(records, IN_FORCE))["fee_bps"]
    assert found.estimate == pytest.approx(fees.mean())
    assert found.standard_error == pytest.approx(fees.std(ddof=1) / 5.0)
    assert found.high - found.estimate == pytest.approx(2.0639 * found.standard_error, rel=1e-4)


def test_the_record_names_its_evidence_and_survives_its_form():
    records = window()
    proposal = propose_cost_model(records, IN_FORCE)
    assert [e.tca_digest for e in proposal.evidence] == [r.digest for r in records]
    assert proposal.in_force_digest == IN_FORCE.digest
    again = CostModelProposal.from_canonical_bytes(proposal.canonical_bytes(), location="test")
    assert again == proposal


def test_the_settings_document_is_a_new_version_that_parses():
    proposal = propose_cost_model(window(), IN_FORCE)
    proposed = parse_cost_model(settings_document(proposal, IN_FORCE).encode())
    assert proposed.model_version == "1+paper.2022-03-01"
    assert proposed.half_spread_bps == pytest.approx(6.0)
    assert proposed.volatility_window_bars == IN_FORCE.volatility_window_bars
    assert "400 orders" in proposed.sources["half_spread_bps"]
    assert proposed.digest != IN_FORCE.digest


def test_a_kept_value_keeps_its_source():
    truth = (1.0, 0.02, 0.8, 0.3)
    proposal = propose_cost_model(window(40, 10, 0.2, 4, truth), IN_FORCE)
    proposed = parse_cost_model(settings_document(proposal, IN_FORCE).encode())
    source = proposed.sources["impact_coefficient"]
    assert source.startswith(IN_FORCE.sources["impact_coefficient"])
    assert "Not contradicted" in source


def test_a_proposal_against_another_model_has_no_document():
    proposal = propose_cost_model(window(), IN_FORCE)
    with pytest.raises(StatisticsInputError, match="against which"):
        settings_document(proposal, examples.cost_model(fee_bps=0.4))


def test_too_little_is_refused():
    with pytest.raises(TooFewObservationsError, match="measured orders"):
        propose_cost_model(window(40, 2), IN_FORCE)
    with pytest.raises(TooFewObservationsError, match="sessions"):
        propose_cost_model(window(10, 30), IN_FORCE)
    with pytest.raises(TooFewObservationsError):
        propose_cost_model([], IN_FORCE)


def test_unfilled_orders_are_no_evidence():
    empty = examples.row(arrival_slippage_bps=None)
    records = [r.model_copy(update={"orders": (empty,) * 10}) for r in window()]
    with pytest.raises(TooFewObservationsError):
        propose_cost_model(records, IN_FORCE)


def test_orders_that_are_all_alike_cannot_tell_the_coefficients_apart():
    rows = tuple(examples.row(str(i)) for i in range(10))
    records = [examples.tca(day, orders=rows) for day in paper.sessions(40)]
    with pytest.raises(StatisticsInputError, match="differ in both"):
        propose_cost_model(records, IN_FORCE)


def test_two_candidates_are_refused():
    records = window()
    records[3] = records[3].model_copy(update={"candidate_id": "another-one"})
    with pytest.raises(StatisticsInputError, match="several candidates"):
        propose_cost_model(records, IN_FORCE)
