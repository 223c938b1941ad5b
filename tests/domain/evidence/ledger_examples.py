"""Keys from fixed seeds, and a ledger in memory that is signed as a real one is."""

import datetime as dt

from torghut_assets.domain.evidence.approval_records import Approval, ApprovedLimit, Decision
from torghut_assets.domain.evidence.approvals import Circumstances
from torghut_assets.domain.evidence.dsse import IN_TOTO, sealed
from torghut_assets.domain.evidence.entries import LedgerEntry, sign_tree_head
from torghut_assets.domain.evidence.keys import KeyRegistration, KeyRevocation, key_id_of
from torghut_assets.domain.evidence.ledger_check import LedgerPrefix
from torghut_assets.domain.evidence.statement import RecordMade, read_statement, statement_about

START = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
A, B, C = "a" * 64, "b" * 64, "c" * 64


class Key:
    """An Ed25519 key made from one byte."""

    def __init__(self, seed):
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        self.private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public = self.private.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public)

    def sign(self, message):
        return self.key_id, self.private.sign(message)


RUNNER, GATE, ALICE, BOB, ALICE_2, CAROL, STRANGER = (Key(n) for n in range(1, 8))


class Book:
    """A ledger in memory; it can also be made to say what a real one would not."""

    def __init__(self, *, begun=True):
        self.now = START
        self.prefix = LedgerPrefix("book")
        self.heads = {}
        if begun:
            self.register(RUNNER, "runner", "runner")
            self.register(GATE, "gate", "gate", RUNNER)
            self.register(ALICE, "person", "Alice Example")
            self.register(BOB, "person", "Bob Example", ALICE)

    def add(self, envelope):
        self.now += dt.timedelta(seconds=1)
        entry = LedgerEntry(
            self.prefix.size + 1, self.now, envelope, read_statement(envelope, location="test")
        )
        self.prefix.add(entry)
        head = sign_tree_head(self.prefix.next_head(entry), RUNNER.sign)
        self.heads[entry.sequence] = head.canonical_bytes()
        return entry

    def register(self, key, role, owner, *sponsors):
        made = KeyRegistration(
            public_key=key.public.hex(), role=role, owner=owner, made_at=self.now
        )
        return self.add(signed(made.statement(), key, *sponsors))

    def revoke(self, key, by, reason="it may have been copied"):
        made = KeyRevocation(key_id=key.key_id, reason=reason, made_at=self.now)
        return self.add(signed(made.statement(), by))

    def say(self, kind="backtest", by=RUNNER, subjects=None):
        return self.add(signed(statement_about(kind, subjects or {"record": A}, record_made()), by))

    @property
    def rows(self):
        return [entry.row for entry in self.prefix.entries]

    @property
    def entries(self):
        return tuple(self.prefix.entries)

    @property
    def ring(self):
        return self.prefix.ring

    @property
    def anchor(self):
        return self.heads[max(self.heads)] if self.heads else None


def signed(statement, *keys):
    return sealed(IN_TOTO, statement.canonical_bytes(), *(key.sign for key in keys))


def record_made(**changes):
    data = {
        "asset": "backtest_metrics",
        "partition": "some-candidate|some-place@2020-01-01",
        "record_kind_made": "backtest-metrics",
        "inputs": {"candidate_spec": B},
        "code_digest": C,
        "record_version_made": 1,
        "policies": {},
        "run_id": None,
        "actor": "somebody",
        "verdict": None,
        "late": False,
    }
    return RecordMade(**{**data, **changes})


def decision(**changes):
    data = {
        "kind": "ramp",
        "candidate_id": "some-candidate",
        "authors": ("Carol Example",),
        "stage": "live_ramp_stage_1",
        "report_digest": A,
        "policy_digest": B,
        "limits": (
            ApprovedLimit(name="notional_usd", value=10_000.0),
            ApprovedLimit(name="orders_per_session", value=50.0),
        ),
    }
    return Decision(**{**data, **changes})


def approval(of=None, **changes):
    data = {
        "decision": of or decision(),
        "approver": "Alice Example",
        "issued_at": START + HOUR,
        "expires_at": START + 9 * HOUR,
        "nonce": "0" * 32,
    }
    return Approval(**{**data, **changes})


NOW = START + HOUR + dt.timedelta(minutes=5)
RING = Book().ring
GENUINE = signed(approval().statement(), ALICE)


def circumstances(**changes):
    return Circumstances(**{"ring": RING, "now": NOW, "ledger_time": START, **changes})


def of(by=ALICE, **changes):
    """Return an approval that is signed properly and says something else."""
    return signed(approval(**changes).statement(), by)
