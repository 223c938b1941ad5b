"""A replay holds if what differs is explained, and only then."""

from torghut_assets.domain.audit.replayed import (
    NAMES_EXPLAINED,
    REGISTER_ENTRY,
    Rebuilt,
    judge_replay,
    replay_holds,
)

A, B, C, D = (letter * 64 for letter in "abcd")


def test_the_same_digest_is_identical():
    judged = judge_replay([Rebuilt("x", A, A, {"n": 1}, {"n": 1})])
    assert judged[0].outcome == "identical"
    assert replay_holds(judged)


def test_a_register_entry_is_explained_and_so_is_a_record_that_names_the_record():
    overfit = Rebuilt("o", A, B, {"trial_register_head": C}, {"trial_register_head": D})
    report = Rebuilt(
        "g",
        C,
        D,
        {"inputs": [{"name": "o", "digest": A}]},
        {"inputs": [{"name": "o", "digest": B}]},
    )
    judged = judge_replay([overfit, report])
    assert [each.outcome for each in judged] == ["explained", "explained"]
    assert [each.differences[0].reason for each in judged] == [REGISTER_ENTRY, NAMES_EXPLAINED]
    assert replay_holds(judged)


def test_one_unexplained_field_fails_the_record_and_all_that_name_it():
    first = {"trial_register_head": C, "psr": 0.9}
    overfit = Rebuilt("o", A, B, first, {"trial_register_head": D, "psr": 0.8})
    report = Rebuilt("g", C, D, {"digest": A}, {"digest": B})
    judged = judge_replay([overfit, report])
    assert [each.outcome for each in judged] == ["differs", "differs"]
    assert [d.place for d in judged[0].differences if d.reason is None] == ["psr"]
    assert not replay_holds(judged)


def test_a_register_head_somewhere_else_in_a_record_is_not_explained():
    judged = judge_replay([Rebuilt("o", A, B, {"x": {"trial_register_head": C}}, {"x": {}})])
    assert judged[0].outcome == "differs"


def test_another_digest_without_another_field_is_not_explained():
    assert judge_replay([Rebuilt("o", A, B, {"n": 1}, {"n": 1})])[0].outcome == "differs"


def test_what_was_not_made_again_fails_the_replay():
    judged = judge_replay([Rebuilt("o", A, None, {"n": 1}, None)])
    assert judged[0].outcome == "not rebuilt"
    assert not replay_holds(judged)
    assert not replay_holds(())
