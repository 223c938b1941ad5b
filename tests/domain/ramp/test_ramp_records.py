"""What cannot be written cannot be believed: stages, drills, manifests and the chain."""

import pytest
import ramp_examples as ramp
import session_examples as paper
import yaml

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.gates.evidence import UnusableEvidenceError
from torghut_assets.domain.ramp.chain import NOT_ARTIFACTS, artifacts_named
from torghut_assets.domain.ramp.drills import DrillReport
from torghut_assets.domain.ramp.evaluate import has_step, judge_readiness, ramp_stage
from torghut_assets.domain.ramp.evidence import RampCase
from torghut_assets.domain.ramp.manifest import manifest_bytes, read_manifest
from torghut_assets.domain.ramp.records import RampGrant, RampStage
from torghut_assets.domain.ramp.request import ramp_request
from torghut_assets.domain.ramp.soundness import sound
from torghut_assets.domain.ramp.stability import stability
from torghut_assets.domain.verdicts import Verdict

GOOD = ramp.case()
GRANT = ramp.grant_of(GOOD)


def stage_of(case=GOOD, granted=GRANT, gates=None, stage=ramp.STAGE):
    found = judge_readiness(case, ramp.POLICY) if gates is None else gates
    return ramp_stage(case, ramp.POLICY, stage, found, granted)


def fields_of(record):
    return {name: getattr(record, name) for name in type(record).model_fields}


def test_a_granted_step_by_hand():
    record = stage_of()
    assert (record.level_from, record.level_to) == ("L0", "L1")
    assert (record.notional_before_usd, record.notional_after_usd) == (0.0, 50_000.0)
    assert (record.advanced, record.verdict) == (True, Verdict.PASS)
    assert record.limit_card.instruments == ("AAPL", "AMZN")
    assert record.subject == f"{paper.CANDIDATE}|{ramp.SESSION}"
    assert record.reasons == ()
    assert RampStage.from_canonical_bytes(record.canonical_bytes(), location="x") == record
    assert RampGrant.from_canonical_bytes(GRANT.canonical_bytes(), location="x") == GRANT


def test_a_step_that_was_not_granted_leaves_everything_as_it_was():
    case = ramp.case(keys=())
    record = stage_of(case, None)
    assert (record.level_to, record.notional_after_usd, record.limit_card) == ("L0", 0.0, None)
    assert record.verdict is Verdict.INCONCLUSIVE
    assert [reason.code for reason in record.reasons] == ["APPROVALS_MISSING"]


def later(session, **changes):
    """Evidence of a session after the grant."""
    days = (*ramp.SESSIONS, *paper.sessions(20)[8:])
    known = tuple(day for day in days if day <= session)
    return ramp.evidence(
        session=session,
        sessions=known,
        grants=(GRANT,),
        drift={day: ramp.drift_report(day) for day in known},
        **changes,
    )


def test_the_level_lasts_and_its_burn_in_is_counted_from_the_grant():
    days = paper.sessions(20)
    for number, day in enumerate(days[8:14], start=1):
        found = stability(later(day), ramp.POLICY)
        assert (found.level, found.since, found.sessions) == ("L1", days[8], number)
        assert found.verdict is (Verdict.PASS if number >= 5 else Verdict.INCONCLUSIVE)
    record = stage_of(RampCase(later(days[12]), None), None, ())
    assert (record.level_from, record.level_to, record.advanced) == ("L1", "L1", False)
    assert record.grant == GRANT
    assert record.notional_before_usd == record.notional_after_usd == 50_000.0


def test_after_the_canary_the_second_stage_takes_the_next_step():
    evidence = later(paper.sessions(20)[12])
    assert not has_step(evidence, ramp.POLICY, ramp.STAGE)
    assert has_step(evidence, ramp.POLICY, ramp.SECOND)
    request, refusals = ramp_request(evidence, ramp.POLICY, ramp.SECOND)
    assert refusals == ()
    assert (request.level_from, request.level_to) == ("L1", "L2")
    assert (request.notional_before_usd, request.notional_after_usd) == (50_000.0, 250_000.0)
    assert request.limit_card.instruments == ("AAPL", "AMZN")


def test_a_level_that_the_policy_does_not_know_is_asked_about_and_refused():
    odd = GRANT.model_copy(update={"level_to": "L9"})
    evidence = ramp.evidence(grants=(odd,))
    assert has_step(evidence, ramp.POLICY, ramp.SECOND)
    assert ramp_request(evidence, ramp.POLICY, ramp.SECOND)[1] == (
        "the level in force is not in the policy",
    )
    assert stability(evidence, ramp.POLICY).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"grant": None}, "capital without a grant"),
        ({"notional_after_usd": 9e9}, "does not make this change"),
        ({"level_to": "L2"}, "of something else"),
        ({"level_from": "L2"}, "does not make this change"),
        ({"candidate_id": "another-candidate"}, "of something else"),
        ({"deployment_digest": "1" * 64}, "of something else"),
        ({"session": "2022-02-01"}, "does not make this change"),
        ({"limit_card": None}, "limit card"),
    ],
)
def test_capital_that_rests_on_nothing_cannot_be_written(change, says):
    with pytest.raises(ValueError, match=says):
        RampStage(**{**fields_of(stage_of()), **change})


def test_a_stage_needs_a_deployment():
    with pytest.raises(UnusableEvidenceError):
        stage_of(RampCase(ramp.evidence(deployment=None), None), None, ())


def test_a_drill_holds_what_was_measured_of_its_own_kind():
    fields = fields_of(ramp.kill_drill())
    with pytest.raises(ValueError, match="a kill drill holds nothing"):
        DrillReport(**{**fields, "kill": None})
    with pytest.raises(ValueError, match="a kill drill holds kill, alerts"):
        DrillReport(**{**fields, "alerts": ramp.alert_drill().alerts})
    assert ramp.kill_drill().verdict is Verdict.PASS
    assert ramp.kill_drill(open_before=0).problems == ("no order was open, so nothing was tried",)
    assert ramp.rollback_drill(state="unknown").problems == ("the receipt says unknown",)
    assert ramp.alert_drill(outcome="failed").verdict is Verdict.FAIL


def manifest(**changes):
    request = GOOD.request.model_copy(update=changes)
    return manifest_bytes(request, ramp.deployment(), GOOD.approvals.accepted)


def test_the_manifest_says_everything_and_is_the_same_each_time():
    payload = manifest()
    assert payload == manifest()
    document = read_manifest(payload, location="manifest")
    assert document == yaml.safe_load(payload)
    assert document["spec"]["notional_usd"] == {"before": 0.0, "after": 50_000.0}
    assert document["spec"]["limits"]["instruments"] == ["AAPL", "AMZN"]
    assert document["spec"]["strategy"]["parameters"] == {"lookback_bars": 120}
    assert document["evidence"]["ramp_request"] == GOOD.request.digest
    assert [who["person"] for who in document["evidence"]["approvals"]] == [
        "Alice Example",
        "Bob Example",
    ]


@pytest.mark.parametrize(
    "change", [{"level_to": "L2"}, {"notional_after_usd": 1.0}, {"session": "2022-01-14"}]
)
def test_another_step_is_another_manifest(change):
    assert manifest(**change) != manifest()


def test_a_manifest_of_another_deployment_is_refused():
    other = ramp.deployment().model_copy(update={"budget_usd": 5.0})
    with pytest.raises(BadInputError, match="the reviewed one"):
        manifest_bytes(GOOD.request, other, GOOD.approvals.accepted)


def test_what_is_no_manifest_is_not_read_as_one():
    with pytest.raises(BadInputError, match="DeploymentManifest"):
        read_manifest(b"kind: Deployment\napiVersion: apps/v1\n", location="x")


def test_the_chain_follows_every_digest_that_names_an_artifact():
    a, b, c = "a" * 64, "b" * 64, "c" * 64
    document = {
        "gate_report_digest": a,
        "policies": {"order_limits": b},
        "inputs": [{"name": "x", "digest": c}, {"name": "y", "digest": None}],
        "text": "no digest",
        "source": {"digest": "d" * 64},
        **{name: "e" * 64 for name in NOT_ARTIFACTS if "." not in name},
    }
    assert sorted(digest for _, digest in artifacts_named(document)) == [a, b, c]


@pytest.mark.parametrize("hostile", [None, 1, "text", {}, object(), ramp.LIMITS])
def test_what_is_no_record_of_the_kind_is_not_sound(hostile):
    with pytest.raises(UnusableEvidenceError):
        sound(hostile, RampGrant, "grant")


def test_a_record_that_validation_would_not_make_is_not_sound():
    forged = GRANT.model_copy(update={"notional_after_usd": -1.0})
    with pytest.raises(UnusableEvidenceError, match="not sound"):
        sound(forged, RampGrant, "grant")
    rounded = GRANT.model_copy(update={"notional_after_usd": 50_000.000000001})
    with pytest.raises(UnusableEvidenceError, match="not in its own form"):
        sound(rounded, RampGrant, "grant")
