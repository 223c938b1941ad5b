"""Verify an audit pack from `docs/evidence.md` alone: standard library and `cryptography`.

Nothing of the project is imported. Usage: python verify_pack.py PACK.zip [HEAD.json]
Exit status: 0 whole, 1 not, with the first fault. Gates are not decided again here.
"""

import base64
import hashlib
import json
import sys
import zipfile
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

UNLISTED = {"pack.json", "SHA256SUMS", "redaction.json"}
UNLISTED |= {"proof/export.json", "proof/head.json", "proof/leaves.txt"}
KINDS = "https://torghut.dev/attestations/"
OTHERS_SIGN = {"gate-report": {"gate"}, "kill": {"runner", "person"}}
OTHERS_SIGN |= {key: {"runner", "gate"} for key in ("receipt", "drift", "ramp")}
PERSONAL = ("approval", "key-revocation", "runbook", "legal-hold", "hold-release")
OTHERS_SIGN |= {key: {"person"} for key in PERSONAL}


class NotWholeError(Exception):
    """The pack is not whole."""


def require(holds, where, what):
    if not holds:
        raise NotWholeError(f"{where}: {what}")


def sha(payload):
    return hashlib.sha256(payload).digest()


def read(payload, where):
    """Read JSON and refuse every form but the canonical one; repeated keys never survive it."""
    data = json.loads(payload)
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    require(text.encode() == payload and "NaN" not in text, where, "not canonical")
    return data


def root(leaves):
    """MTH of RFC 9162, section 2.1.1."""
    level = list(leaves)
    while len(level) > 1:
        pairs = [sha(b"\x01" + a + b) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def decoded(text, where):
    """Decode base64 in its one spelling: the unused bits of the last digit are zero."""
    raw = base64.b64decode(text, validate=True)
    require(base64.b64encode(raw).decode() == text, where, "another spelling of the base64")
    return raw


def opened(envelope, payload_type, keys, where):
    """Check an envelope's type and every signature; return its payload and the key ids."""
    require(envelope["payloadType"] == payload_type, where, "another payload type")
    payload = decoded(envelope["payload"], where)
    kind = payload_type.encode()
    message = b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)
    ids = [signature["keyid"] for signature in envelope["signatures"]]
    require(ids and len(set(ids)) == len(ids), where, "no signature, or one key twice")
    for signature in envelope["signatures"]:
        require(signature["keyid"] in keys, where, "unknown key")
        try:
            raw = decoded(signature["sig"], where)
            Ed25519PublicKey.from_public_bytes(keys[signature["keyid"]]).verify(raw, message)
        except InvalidSignature as error:
            raise NotWholeError(f"{where}: invalid signature") from error
    return payload, ids


def take_in(entry, ring, number, where):
    """Check who signed an entry, take in keys, and return the statement."""
    envelope = entry["envelope"]
    statement = read(base64.b64decode(envelope["payload"]), where)
    kind = statement["predicateType"].removeprefix(KINDS).removesuffix("/v1")
    said = statement["predicate"]["record"]
    keys = {key_id: key["public"] for key_id, key in ring.items()}
    made = None
    if kind == "key-registration":
        public = bytes.fromhex(said["public_key"])
        made = sha(public).hex()
        require(made not in ring, where, "registered twice")
        keys[made] = public
    _, ids = opened(envelope, "application/vnd.in-toto+json", keys, where)
    others = [ring[key_id] for key_id in ids if key_id != made]
    require(all(not key["revoked"] for key in others), where, "signed by a revoked key")
    roles, known = {key["role"] for key in others}, {key["role"] for key in ring.values()}
    if made is not None:
        alone = (said["role"] == "runner" and number == 1) or (
            said["role"] == "person" and "person" not in known
        )
        first_gate = said["role"] == "gate" and "gate" not in known and "runner" in roles
        require(made in ids and (alone or first_gate or "person" in roles), where, "not introduced")
        ring[made] = {"public": keys[made], "role": said["role"], "revoked": False}
        return statement
    require(roles <= OTHERS_SIGN.get(kind, {"runner"}), where, f"a {roles} key signed {kind}")
    if kind == "key-revocation":
        require(not ring[said["key_id"]]["revoked"], where, "revoked twice")
        ring[said["key_id"]]["revoked"] = True
    return statement


def check_chain(files, register):
    """Follow the digests of a register from its first entry."""
    before = "0" * 64
    rows = [files[name] for name in sorted(files) if name.startswith(f"{register}/")]
    for number, row in enumerate(rows, start=1):
        said = read(row, f"{register} {number}")["record"]
        place = (said["sequence"], said["previous_digest"])
        require(place == (number, before), f"{register} {number}", "does not follow")
        before = sha(row).hex()


def verify(pack, anchor=None):
    with zipfile.ZipFile(pack) as archive:
        names = archive.namelist()
        require(names == sorted(set(names)), "names", "not in order, each once")
        stored = all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        require(stored, "container", "something is compressed")
        files = {name: archive.read(name) for name in names}
    lines = [f"{sha(p).hex()}  {n}\n" for n, p in sorted(files.items()) if n != "SHA256SUMS"]
    require(files["SHA256SUMS"] == "".join(lines).encode(), "SHA256SUMS", "not of these files")
    manifest = read(files["pack.json"], "pack.json")
    require((manifest["kind"], manifest["version"]) == ("audit-pack", 1), "pack.json", "version")
    listed = {name: ref["sha256"] for name, ref in manifest["record"]["files"].items()}
    found = {name: sha(p).hex() for name, p in files.items() if name not in UNLISTED}
    require(found == listed, "pack.json", "names other files or digests (or it is redacted)")
    for name, digest in found.items():
        if name.startswith(("records/", "tables/")):
            require(name.split("/")[1].split(".")[0] == digest, name, "another digest")
        if name.startswith("records/"):
            read(files[name], name)
    leaves = [bytes.fromhex(line) for line in files["proof/leaves.txt"].decode().split()]
    entries = [files[name] for name in names if name.startswith("ledger/")]
    ring, last, time = {}, 0, ""
    for payload in [*entries, files["proof/export.json"]]:
        entry = read(payload, "ledger")
        number, where = entry["sequence"], f"entry {entry['sequence']}"
        require(last < number and time <= entry["recorded_at"], where, "out of order")
        require(leaves[number - 1] == sha(b"\x00" + payload), where, "not in the tree")
        statement, last, time = take_in(entry, ring, number, where), number, entry["recorded_at"]
    require(statement["predicateType"] == f"{KINDS}audit-pack/v1", "export", "another kind")
    subject = [{"digest": {"sha256": sha(files["pack.json"]).hex()}, "name": "pack"}]
    require(statement["subject"] == subject, "export", "about another pack.json")
    keys = {key_id: key["public"] for key_id, key in ring.items() if key["role"] == "runner"}
    for where, text in (("head", files["proof/head.json"]), ("anchor", anchor)):
        if text is not None:
            tree = "application/vnd.torghut.tree-head+json"
            head = read(opened(read(text, where), tree, keys, where)[0], where)["record"]
            require(head["tree_size"] <= len(leaves), where, "is newer than the pack")
            same = root(leaves[: head["tree_size"]]).hex() == head["root_hash"]
            require(same, where, "another root")
            require(where == "anchor" or head["tree_size"] == len(leaves), where, "another size")
    check_chain(files, "trials")
    check_chain(files, "receipts")
    return len(files), len(leaves)


if __name__ == "__main__":
    try:
        kept = Path(sys.argv[2]).read_bytes() if len(sys.argv) > 2 else None
        print("whole: {} files, ledger of {} entries".format(*verify(sys.argv[1], kept)))
    except (NotWholeError, ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as fault:
        sys.exit(f"not whole: {fault!r}")
