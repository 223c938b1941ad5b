"""Verify a ledger from `docs/evidence.md` alone: standard library and `cryptography`.

Nothing of the project is imported. Usage: python verify_ledger.py LEDGER.sqlite ANCHOR.json
Exit status: 0 whole, 1 not, with the first fault.
"""

import base64
import hashlib
import json
import sqlite3
import sys
from datetime import datetime
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

IN_TOTO = "application/vnd.in-toto+json"
TREE_HEAD = "application/vnd.torghut.tree-head+json"
FIRST_ENTRIES = 100  # that a killed process may leave beside an empty anchor
KINDS = "https://torghut.dev/attestations/"
OTHERS_SIGN = {"gate-report": {"gate"}, "kill": {"runner", "person"}}
OTHERS_SIGN |= {kind: {"runner", "gate"} for kind in ("receipt", "drift", "ramp")}
OF_PERSONS = ("approval", "key-revocation", "runbook", "legal-hold", "hold-release")
OTHERS_SIGN |= {kind: {"person"} for kind in OF_PERSONS}


class NotWholeError(Exception):
    """The ledger is not whole."""


def require(holds, where, what):
    if not holds:
        raise NotWholeError(f"{where}: {what}")


def canonical(data):
    form = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
    return json.dumps(data, allow_nan=False, **form).encode()


def read(payload, where):
    """Read JSON and refuse every form but the canonical one; repeated keys never survive it."""
    data = json.loads(payload)
    require(canonical(data) == payload, where, "not canonical")
    return data


def sha(payload):
    return hashlib.sha256(payload).digest()


def root(leaves):
    """MTH of RFC 9162, section 2.1.1."""
    if not leaves:
        return sha(b"")
    peaks = []
    for leaf in leaves:
        height, node = 0, leaf
        while peaks and peaks[-1][0] == height:
            node, height = sha(b"\x01" + peaks.pop()[1] + node), height + 1
        peaks.append((height, node))
    node = peaks.pop()[1]
    while peaks:
        node = sha(b"\x01" + peaks.pop()[1] + node)
    return node


def decoded(text, where):
    raw = base64.b64decode(text, validate=True)
    require(base64.b64encode(raw).decode() == text, where, "another spelling of the base64")
    return raw


def opened(envelope, payload_type, keys, where):
    """Check an envelope's type and every signature; return its payload and the key ids."""
    require(set(envelope) == {"payload", "payloadType", "signatures"}, where, "no envelope")
    require(envelope["payloadType"] == payload_type, where, "another payload type")
    payload = decoded(envelope["payload"], where)
    kind = payload_type.encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    ids = [signature["keyid"] for signature in envelope["signatures"]]
    require(ids and len(set(ids)) == len(ids), where, "no signature, or one key twice")
    for signature in envelope["signatures"]:
        public = keys.get(signature["keyid"])
        require(public is not None, where, "unknown key")
        try:
            raw = decoded(signature["sig"], where)
            Ed25519PublicKey.from_public_bytes(public).verify(raw, message)
        except InvalidSignature as error:
            raise NotWholeError(f"{where}: invalid signature") from error
    return payload, ids


def take_in(entry, ring, number, where):
    """Check who signed an entry, and take in the keys that it registers or revokes."""
    statement = read(base64.b64decode(entry["envelope"]["payload"]), where)
    require(statement["_type"] == "https://in-toto.io/Statement/v1", where, "no statement")
    require(statement["predicateType"].startswith(KINDS), where, "another predicate type")
    kind = statement["predicateType"].removeprefix(KINDS).removesuffix("/v1")
    said = statement["predicate"]["record"]
    keys = {key_id: key["public"] for key_id, key in ring.items()}
    made = None
    if kind == "key-registration":
        public = bytes.fromhex(said["public_key"])
        made = sha(public).hex()
        require(made not in ring, where, "registered twice")
        keys[made] = public
    _, ids = opened(entry["envelope"], IN_TOTO, keys, where)
    others = [ring[key_id] for key_id in ids if key_id != made]
    require(all(key["until"] is None for key in others), where, "signed by a revoked key")
    roles, known = {key["role"] for key in others}, {key["role"] for key in ring.values()}
    if made is not None:
        require(made in ids, where, "the new key did not sign")
        first_runner = said["role"] == "runner" and number == 1
        first_person = said["role"] == "person" and "person" not in known
        first_gate = said["role"] == "gate" and "gate" not in known and "runner" in roles
        introduced = first_runner or first_person or first_gate or "person" in roles
        require(introduced, where, "nobody introduced the key")
        ring[made] = {"public": keys[made], "role": said["role"], "since": number, "until": None}
        return
    require(roles <= OTHERS_SIGN.get(kind, {"runner"}), where, f"a {roles} key signed {kind}")
    if kind == "key-revocation":
        require(ring.get(said["key_id"], {"until": 0})["until"] is None, where, "not active")
        ring[said["key_id"]]["until"] = number


def check_head(envelope, leaves, ring, times, where):
    keys = {key_id: key["public"] for key_id, key in ring.items()}
    payload, ids = opened(envelope, TREE_HEAD, keys, where)
    head = read(payload, where)["record"]
    size = head["tree_size"]
    require(1 <= size <= len(leaves), where, "has seen more entries than there are")
    require(head["root_hash"] == root(leaves[:size]).hex(), where, "another root")
    require(head["recorded_at"] == times[size - 1], where, "another time")
    for key in (ring[key_id] for key_id in ids):
        in_office = key["since"] <= size and (key["until"] is None or key["until"] >= size)
        require(key["role"] == "runner" and in_office, where, "not signed by a runner in office")
    return size


def verify(ledger, anchor):
    connection = sqlite3.connect(f"{Path(ledger).resolve().as_uri()}?mode=ro", uri=True)
    rows = connection.execute("SELECT sequence, leaf_hash, payload FROM entries ORDER BY 1")
    heads = dict(connection.execute("SELECT tree_size, payload FROM heads"))
    leaves, times, ring = [], [], {}
    for number, (sequence, leaf_hash, payload) in enumerate(rows.fetchall(), start=1):
        where = f"entry {number}"
        entry = read(payload, where)
        require(sequence == entry["sequence"] == number, where, "out of order")
        leaves.append(sha(b"\x00" + payload))
        require(leaves[-1].hex() == leaf_hash, where, "the leaf hash is not of these bytes")
        datetime.strptime(entry["recorded_at"], "%Y-%m-%dT%H:%M:%SZ")  # noqa: DTZ007 - ends in Z
        require(not times or times[-1] <= entry["recorded_at"], where, "time went back")
        times.append(entry["recorded_at"])
        take_in(entry, ring, number, where)
        require(number in heads, where, "no tree head")
        head = read(heads.pop(number), where)
        require(check_head(head, leaves, ring, times, where) == number, where, "another head")
    require(not heads, "heads", "there are more heads than entries")
    kept = Path(anchor).read_bytes()
    if kept or len(leaves) > FIRST_ENTRIES:
        check_head(read(kept, "anchor"), leaves, ring, times, "anchor")
    return len(leaves), root(leaves).hex()


if __name__ == "__main__":
    try:
        size, found = verify(*sys.argv[1:3])
        print(f"whole: {size} entries, root {found}")
    except (NotWholeError, ValueError, KeyError, TypeError, sqlite3.Error, OSError) as fault:
        sys.exit(f"not whole: {fault!r}")
