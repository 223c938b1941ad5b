"""Fifty tokens of fifty are found, wherever they stand; nothing that is none is."""

import base64
import random
import string

import pytest
from pack_examples import small_contents

from torghut_assets.domain.audit.faults import PackFault, PackFaultError
from torghut_assets.domain.audit.secret_patterns import secrets_in
from torghut_assets.domain.digests import canonical_json
from torghut_assets.resources.pack_desk import require_no_secret

_SEED = 20260302
ALNUM = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits


def tokens():
    """Fifty made-up tokens in the forms that their issuers document; none is anybody's."""
    choice = random.Random(_SEED)

    def some(n, alphabet=ALNUM):
        return "".join(choice.choice(alphabet) for _ in range(n))

    def jwt():
        return ".".join(("eyJ" + some(30), "eyJ" + some(60), some(43)))

    made = []
    for _ in range(2):
        made += [
            f"-----BEGIN {choice.choice(['', 'RSA ', 'EC ', 'OPENSSH '])}PRIVATE KEY-----",
            "AKIA" + some(16, string.ascii_uppercase + "234567"),
            "ASIA" + some(16, string.ascii_uppercase + "234567"),
            "AIza" + some(35),
            "ya29." + some(60),
            "GOCSPX-" + some(28),
            "ghp_" + some(36),
            "ghs_" + some(36),
            "github_pat_" + some(82),
            "glpat-" + some(20),
            "xoxb-" + some(12, string.digits) + "-" + some(24),
            "https://hooks.slack.com/services/T"
            + some(8, UPPER)
            + "/B"
            + some(8, UPPER)
            + "/"
            + some(24),
            "sk-ant-api03-" + some(80),
            "sk-proj-" + some(48),
            "sk-" + some(48),
            "sk_live_" + some(24),
            "rk_test_" + some(24),
            "PK" + some(18, UPPER),
            "AK" + some(18, UPPER),
            jwt(),
            "postgresql://torghut:" + some(14) + "@db.internal/dagster",
            'password = "' + some(16) + '7"',
            "api_key: " + some(32) + "7",
            "Authorization: Bearer " + some(40) + "7",
            "secret_key=" + some(10) + "/+" + some(20) + "7",
        ]
    return made


@pytest.mark.parametrize("token", tokens())
def test_every_token_is_found_in_plain_text_and_in_signed_statements(token):
    said = f"The note says {token} and goes on."
    assert secrets_in(canonical_json({"kind": "x", "record": {"note": said}, "version": 1}))
    inner = base64.b64encode(canonical_json({"note": said})).decode()
    assert secrets_in(canonical_json({"payload": inner, "payloadType": "x", "signatures": []}))


def test_there_are_fifty():
    assert len(set(tokens())) >= 48
    assert len(tokens()) == 50


def test_a_pack_without_secrets_raises_no_alarm(home):
    require_no_secret(small_contents(home))


@pytest.mark.parametrize(
    "text",
    [
        "secret sauce: a moving average of closing prices",
        '"public_key":"' + "3f" * 32 + '"',
        '"private_key_location":"keys/runner"',
        "https://torghut.dev/attestations/backtest/v1",
        "password: see the runbook",
        "PASSKEYS AND PACKAGES",
        "tsmom-megacaps-v1|us-megacaps@2021-12-31",
        '"api_key":null',
    ],
)
def test_what_is_no_secret_raises_no_alarm(text):
    assert secrets_in(text.encode()) == []


def test_the_refusal_does_not_repeat_the_secret():
    token = tokens()[6]
    with pytest.raises(PackFaultError) as caught:
        require_no_secret({"records/a.json": token.encode()})
    assert caught.value.fault is PackFault.SECRET_FOUND
    assert token not in str(caught.value)
    assert "records/a.json" in str(caught.value)
