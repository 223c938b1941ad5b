"""A ramp policy is refused if it would let capital in too fast, too wide or too lonely."""

import pytest
import ramp_examples as ramp

from torghut_assets.domain.ramp.policy import RampPolicyRefusedError, parse_ramp_policy

SHIPPED = (ramp.CONFIG / "ramp_policy.yaml").read_bytes()


def test_the_shipped_policy_is_off_and_gives_every_number_a_source():
    policy = parse_ramp_policy(SHIPPED)
    assert not policy.live_enabled
    assert (policy.persons_required, policy.drill_max_age_hours) == (2, 72.0)
    assert policy.max_increment_fraction == 0.25
    assert [level.level for level in policy.levels] == ["L0", "L1", "L2", "L3"]
    assert policy.levels[1].canary_symbols == 2
    assert all(len(source) > 20 for source in policy.sources.values())


@pytest.mark.parametrize(
    ("found", "instead", "names"),
    [
        ("persons_required: 2", "persons_required: 1", "persons_required"),
        ("max_increment_fraction: 0.25", "max_increment_fraction: 0.26", "max_increment"),
        ("max_increment_fraction: 0.25", "max_increment_fraction: 0.2", "max_increment"),
        ("notional_fraction: 0.05", "notional_fraction: 0.3", "a step of 0.3"),
        ("notional_fraction: 0.25, c", "notional_fraction: 0.05, c", "no more notional"),
        ("notional_fraction: 0.0,", "notional_fraction: 0.01,", "L0 is paper"),
        ("canary_symbols: 2", "canary_symbols: null", "L1 is the canary"),
        ("{level: L2", "{level: L4", "expected L0, L1"),
        ("burn_in_sessions: 40", "burn_in_sessions: 0", "burn_in_sessions"),
        ("drill_max_age_hours: 72", "drill_max_age_hours: 0", "drill_max_age_hours"),
        ("drill_max_age_hours: 72", "drill_max_age_hours: 1000", "drill_max_age_hours"),
        ("runbooks: [kill-switch, restoring-from-backup]", "runbooks: []", "runbooks"),
        ("runbooks: [kill-switch,", "runbooks: [restoring-from-backup,", "once each"),
        ("venues: [XNAS, XNYS]", "venues: []", "venues"),
        ("venues: [XNAS, XNYS]", "venues: [nasdaq]", "venues"),
        ("max_gross_fraction: 1.0", "max_gross_fraction: 1.5", "max_gross_fraction"),
        ("max_orders_per_session: 50", "max_orders_per_session: 0", "max_orders_per_session"),
        ("live_enabled: false", "live_enabled: maybe", "live_enabled"),
        ("  venues: The primary", "  places: The primary", "no source for venues"),
        ("live_enabled: false", "live_enabled: false\nextra: 1", "extra"),
    ],
)
def test_a_policy_that_would_let_capital_in_is_refused(found, instead, names):
    text = SHIPPED.decode().replace(found, instead, 1)
    assert text != SHIPPED.decode(), "the shipped file does not say this any more"
    with pytest.raises(RampPolicyRefusedError, match=names) as refused:
        parse_ramp_policy(text.encode())
    assert refused.value.exit_code == 4


def test_a_stage_takes_one_level_at_a_time():
    policy = ramp.POLICY
    assert policy.wanted(ramp.STAGE, "L0").level == "L1"
    assert policy.wanted(ramp.STAGE, "L1") is None
    assert policy.wanted(ramp.SECOND, "L0") is None
    assert policy.wanted(ramp.SECOND, "L1").level == "L2"
    assert policy.wanted(ramp.SECOND, "L3") is None
    assert policy.wanted(ramp.SECOND, "L9") is None
    assert policy.level("L9") is None
