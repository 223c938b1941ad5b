"""A latch is let go by exactly one decision, and the approval does not say who wrote what."""

import pytest
from evaluated_examples import PASSING, example

from torghut_assets.cli.candidate import submit
from torghut_assets.domain.evidence.approval_records import ApprovedLimit
from torghut_assets.domain.orders.kill import lift_decision, lifts
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.signing_desk import ApprovalRefusedError, SigningDesk

LIMITS = "1" * 64
AUTHOR = "Torghut research"
PASSPHRASE = b"correct horse battery staple"


def person(home, owner):
    """Return the desk of a person whose key counts."""
    desk = SigningDesk(home)
    desk.new_key("person", owner, PASSPHRASE)
    return desk


@pytest.fixture
def latch(home):
    submit(home, example(PASSING), "example")
    return KillSwitch(home).engage(PASSING, "it trades oddly")


def test_an_author_cannot_lift_by_naming_somebody_else_as_author(home, latch):
    desk = person(home, AUTHOR)
    honest = lift_decision(latch, (AUTHOR,), LIMITS)
    with pytest.raises(ApprovalRefusedError, match="self_approved"):
        desk.approve(honest, AUTHOR, PASSPHRASE, 1.0)
    dishonest = lift_decision(latch, ("Somebody else",), LIMITS)
    desk.approve(dishonest, AUTHOR, PASSPHRASE, 1.0)  # the ledger takes it: it is well formed
    assert KillSwitch(home).reading(PASSING).state == "engaged"


def test_another_person_lifts_it(home, latch):
    person(home, "Rita Reviewer").approve(
        lift_decision(latch, (AUTHOR,), LIMITS), None, PASSPHRASE, 1.0
    )
    assert KillSwitch(home).reading(PASSING).state == "clear"


def test_without_the_submitted_file_nobody_can_lift_it(home, latch):
    desk = person(home, "Rita Reviewer")
    desk.approve(lift_decision(latch, (AUTHOR,), LIMITS), None, PASSPHRASE, 1.0)
    home.candidate_path(PASSING).unlink()
    assert KillSwitch(home).reading(PASSING).state == "engaged"


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "re_enable"},
        {"candidate_id": "another-candidate"},
        {"candidate_id": None},
        {"authors": ("Somebody else",)},
        {"authors": (AUTHOR, "Zoe Somebody")},
        {"stage": "live_ramp_stage_1"},
        {"report_digest": "2" * 64},
        {"limits": (ApprovedLimit(name="notional_usd", value=1.0),)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_the_decision_counts(latch, change):
    decision = lift_decision(latch, (AUTHOR,), LIMITS)
    assert lifts(decision, latch, (AUTHOR,))
    assert not lifts(decision.model_copy(update=change), latch, (AUTHOR,))


def test_a_latch_of_a_candidate_without_a_known_author_is_lifted_by_nothing(latch):
    decision = lift_decision(latch, (AUTHOR,), LIMITS)
    assert not lifts(decision.model_copy(update={"authors": ()}), latch, ())
