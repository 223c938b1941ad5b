"""Private keys on disk, and what persons do with them."""

import datetime as dt

import pytest

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.approval_records import Approval, Decision
from torghut_assets.domain.evidence.dsse import IN_TOTO, sealed
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault
from torghut_assets.domain.evidence.signatures import is_signed_by
from torghut_assets.resources.key_ring import KeyFileError, KeyFolder, passphrase_in_environment
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.signing_desk import ApprovalRefusedError, SigningDesk

SECRET = b"correct horse battery"
OTHER = b"another long passphrase"
START = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
DECISION = Decision(
    kind="promote",
    candidate_id="some-candidate",
    authors=("Carol Example",),
    stage="shadow_paper_deployment",
    report_digest="a" * 64,
    policy_digest="b" * 64,
)


@pytest.fixture
def folder(home):
    return KeyFolder(home)


@pytest.fixture
def desk(home):
    desk = SigningDesk(home, Ledger(home, lambda: START))
    desk.new_key("person", "Alice Example", SECRET)
    return desk


def person_file(home):
    return next(home.keys_folder.glob("person-*.pem"))


def test_a_persons_key_is_encrypted_and_opens_with_its_passphrase_only(home, folder):
    key = folder.new_person_key(SECRET)
    pem = person_file(home).read_bytes()
    assert pem.startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert SECRET not in pem
    again = folder.person_key(key.key_id, SECRET)
    assert again.key_id == key.key_id
    assert is_signed_by(key.public_key, b"text", again.sign(b"text")[1])
    for wrong in (OTHER, b""):
        with pytest.raises(KeyFileError, match="does not open") as refused:
            folder.person_key(key.key_id, wrong)
        assert refused.value.exit_code == 4
        assert OTHER.decode() not in str(refused.value)


def test_a_short_passphrase_makes_no_key(home, folder):
    with pytest.raises(KeyFileError, match="12 characters"):
        folder.new_person_key(b"short")
    assert not home.keys_folder.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_not_used(home, folder, mode):
    key = folder.new_person_key(SECRET)
    person_file(home).chmod(mode)
    with pytest.raises(KeyFileError, match="0600"):
        folder.person_key(key.key_id, SECRET)


def test_what_is_no_ed25519_key_is_refused(home, folder):
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = folder.new_machine_key("runner")
    path = next(home.keys_folder.glob("runner-*.pem"))
    other = X25519PrivateKey.generate()
    path.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(KeyFileError, match="Ed25519"):
        folder.machine_key("runner", {key.key_id})
    path.write_bytes(b"nothing")
    with pytest.raises(KeyFileError, match="does not open"):
        folder.machine_key("runner", None)
    with pytest.raises(KeyFileError, match="no file"):
        folder.person_key("0" * 64, SECRET)


def test_the_passphrase_comes_from_the_environment(monkeypatch):
    monkeypatch.delenv("TORGHUT_KEY_PASSPHRASE", raising=False)
    assert passphrase_in_environment() is None
    monkeypatch.setenv("TORGHUT_KEY_PASSPHRASE", "päss")
    assert passphrase_in_environment() == "päss".encode()


def test_the_first_person_counts_at_once_and_the_next_waits(desk):
    second, counts = desk.new_key("person", "  Bob   Example ", OTHER)
    assert not counts
    assert desk.ledger.ring().get(second) is None
    with pytest.raises(BadInputError, match="found 0 keys"):
        desk.approve(DECISION, "Bob Example", OTHER, 1)
    desk.introduce(second[:8], "Alice Example", SECRET)
    assert desk.ledger.ring().get(second).owner == "Bob Example"
    assert desk.approve(DECISION, "bob example", OTHER, 1).kind == "approval"
    with pytest.raises(BadInputError, match="found 0 waiting"):
        desk.introduce(second[:8], "Alice Example", SECRET)


@pytest.mark.parametrize("owner", ["", "x", "x" * 81, "Bob\x07Example"])
def test_an_owner_has_a_name(desk, owner):
    with pytest.raises(BadInputError, match="owner"):
        desk.new_key("person", owner, SECRET)


def test_an_approval_counts_or_is_not_written(desk):
    entry = desk.approve(DECISION, None, SECRET, 8)
    approval = entry.statement.record(Approval, location="x")
    assert approval.decision == DECISION
    assert approval.approver == "Alice Example"
    assert approval.issued_at == entry.recorded_at == START
    assert approval.expires_at == START + dt.timedelta(hours=8)
    size = desk.ledger.checked().size
    for decision, hours, fault in (
        (DECISION.model_copy(update={"authors": ("alice example",)}), 8, Fault.SELF_APPROVED),
        (DECISION, 10_000, Fault.LIFETIME_IMPOSSIBLE),
    ):
        with pytest.raises(ApprovalRefusedError) as refused:
            desk.approve(decision, None, SECRET, hours)
        assert (refused.value.fault, refused.value.exit_code) == (fault, 1)
    assert desk.ledger.checked().size == size


def test_an_approval_from_elsewhere_is_entered_once(home, desk):
    key, _ = desk.person(None, SECRET)
    approval = Approval(
        decision=DECISION,
        approver="Alice Example",
        issued_at=START,
        expires_at=START + dt.timedelta(hours=1),
        nonce="1" * 32,
    )
    envelope = sealed(IN_TOTO, approval.statement().canonical_bytes(), key.sign)
    other = DECISION.model_copy(update={"report_digest": "c" * 64})
    with pytest.raises(ApprovalRefusedError, match="other_report"):
        desk.enter(envelope.canonical_bytes(), other)
    desk.enter(envelope.canonical_bytes(), DECISION)
    with pytest.raises(ApprovalRefusedError, match="nonce_used"):
        desk.enter(envelope.canonical_bytes(), DECISION)
    assert len(desk.ledger.entries("approval")) == 1


def test_a_revoked_key_signs_nothing_more(desk):
    desk.revoke("Alice Example", "left the company", None, SECRET)
    with pytest.raises(BadInputError, match="found 0 keys"):
        desk.approve(DECISION, "Alice Example", SECRET, 1)
    with pytest.raises(BadInputError, match="active keys"):
        desk.revoke("Alice Example", "left the company", None, SECRET)
    waiting, counts = desk.new_key("person", "Mallory", OTHER)
    assert not counts, "trust on first use happens once"
    with pytest.raises(BadInputError, match="found 0 keys"):
        desk.introduce(waiting, None, OTHER)


def test_a_request_that_was_edited_is_not_introduced(home, desk):
    waiting, _ = desk.new_key("person", "Bob Example", OTHER)
    path = next(home.keys_folder.glob("*.request.json"))
    text = path.read_bytes()
    import base64
    import json

    data = json.loads(text)
    payload = base64.b64decode(data["payload"]).replace(b"Bob Example", b"Eve Example")
    data["payload"] = base64.b64encode(payload).decode()
    path.write_bytes(json.dumps(data, sort_keys=True, separators=(",", ":")).encode())
    with pytest.raises(EvidenceRefusedError) as refused:
        desk.introduce(waiting, None, SECRET)
    assert refused.value.fault is Fault.SIGNATURE_INVALID
    assert len(desk.ledger.ring().keys) == 2


def test_two_keys_of_one_person_are_chosen_by_id(desk):
    second, _ = desk.new_key("person", "Alice Example", OTHER)
    desk.introduce(second, None, SECRET)
    with pytest.raises(BadInputError, match="found 2 keys"):
        desk.approve(DECISION, "Alice Example", SECRET, 1)
    assert desk.approve(DECISION, second[:16], OTHER, 1).envelope.key_ids == (second,)


def test_a_process_that_is_killed_while_it_makes_a_key_leaves_none(folder, monkeypatch):
    """Half a key would be found first by whoever signs next, and nothing could be signed."""

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("os.link", die)
        with pytest.raises(KeyboardInterrupt):
            folder.new_machine_key("runner")
    assert folder.machine_key("runner", None) is None
    made = folder.new_machine_key("runner")
    assert folder.machine_key("runner", None).key_id == made.key_id
    assert {path.stat().st_mode & 0o777 for path in folder._folder.glob("*.pem")} == {0o600}
