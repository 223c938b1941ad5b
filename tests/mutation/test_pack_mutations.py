"""No edit of a pack, the ledger, the store or the index goes unnoticed, and each has a name."""

import pytest
from mutate_pack import EDITS, ground_of, run


@pytest.mark.law
@pytest.mark.heavy
def test_every_edit_of_a_thousand_is_detected(evaluated_home):
    with ground_of(evaluated_home) as ground:
        faults, survived = run(ground, 1_010, 20260302)
    assert survived == []
    assert faults.total() >= 1_000
    assert {name.partition(":")[0] for name in faults} == set(EDITS)


def test_every_edit_of_a_few_is_detected(evaluated_home):
    with ground_of(evaluated_home) as ground:
        faults, survived = run(ground, 60, 7)
    assert survived == []
    assert {name.partition(":")[0] for name in faults} == set(EDITS)
    assert "pack forged: other_history" in faults
