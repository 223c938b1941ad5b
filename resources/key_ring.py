"""Private keys on disk: the machine's own, and those of persons, encrypted.

A key is an Ed25519 private key in PKCS 8 PEM under `keys/` of the home, in a file that only
its owner may read. A person's key is encrypted with a passphrase, which comes from
`TORGHUT_KEY_PASSPHRASE` or a prompt and is nowhere kept, shown or passed as an argument.
Which of the keys count is not said here but in the ledger.
"""

import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Final

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.dsse import IN_TOTO, Envelope, read_envelope, sealed
from torghut_assets.domain.evidence.keys import KeyRegistration, key_id_of
from torghut_assets.domain.evidence.statement import Role
from torghut_assets.resources.clock import utc_now
from torghut_assets.resources.home import Home
from torghut_assets.resources.new_files import write_new

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

PASSPHRASE_VARIABLE: Final = "TORGHUT_KEY_PASSPHRASE"  # noqa: S105 - a name
_MIN_PASSPHRASE: Final = 12
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class KeyFileError(BadInputError):
    """A key file is missing, open to others, or cannot be opened with the passphrase."""


class SigningKey:
    """A private key in memory; it signs and shows nothing of itself."""

    def __init__(self, private: "Ed25519PrivateKey") -> None:
        self._private = private
        self.public_key = private.public_key().public_bytes_raw()
        self.key_id = key_id_of(self.public_key)

    def __repr__(self) -> str:
        return f"SigningKey({self.key_id[:16]})"

    def sign(self, message: bytes) -> tuple[str, bytes]:
        """Return the key's id and its signature of a message."""
        return self.key_id, self._private.sign(message)


class KeyFolder:
    """The key files of a home."""

    def __init__(self, home: Home) -> None:
        self._folder = home.keys_folder

    def new_machine_key(self, role: Role) -> SigningKey:
        """Make a key for the runner or the gate; it needs no passphrase."""
        return self._new(role, None)

    def machine_key(self, role: Role, key_ids: Collection[str] | None) -> SigningKey | None:
        """Return a machine's key that is here, the newest first; `None` if there is none.

        `key_ids` are the keys that count; `None` takes any.
        """
        for path in sorted(self._files(role), key=lambda p: p.stat().st_mtime_ns, reverse=True):
            key = self._open(path, None)
            if key_ids is None or key.key_id in key_ids:
                return key
        return None

    def new_person_key(self, passphrase: bytes) -> SigningKey:
        """Make a person's key, encrypted with a passphrase.

        Raises
        ------
        KeyFileError
            If the passphrase is too short.
        """
        if len(passphrase) < _MIN_PASSPHRASE:
            raise KeyFileError(
                location=PASSPHRASE_VARIABLE,
                found="a short passphrase",
                expected=f"at least {_MIN_PASSPHRASE} characters",
            )
        return self._new("person", passphrase)

    def person_key(self, key_id: str, passphrase: bytes) -> SigningKey:
        """Open a person's key.

        Raises
        ------
        KeyFileError
            If it is not here, or the passphrase is wrong.
        """
        return self._open(self._path("person", key_id), passphrase)

    def holds(self, role: Role, key_id: str) -> bool:
        """Whether the private key is in this folder."""
        return self._path(role, key_id).is_file()

    def keep_request(self, key: SigningKey, role: Role, owner: str) -> Envelope:
        """Write the registration that a new key signs itself, for somebody to introduce it."""
        made = KeyRegistration(
            public_key=key.public_key.hex(), role=role, owner=owner, made_at=utc_now()
        )
        envelope = sealed(IN_TOTO, made.statement().canonical_bytes(), key.sign)
        write_new(self._request(key.key_id), envelope.canonical_bytes())
        return envelope

    def requests(self) -> dict[str, Envelope]:
        """Return the registrations that wait here, by key id, unverified."""
        found = {}
        for path in sorted(self._folder.glob("*.request.json")):
            envelope = read_envelope(path.read_bytes(), location=str(path))
            for key_id in envelope.key_ids[:1]:
                found[key_id] = envelope
        return found

    def drop_request(self, key_id: str) -> None:
        """Remove a registration that the ledger has taken in."""
        self._request(key_id).unlink(missing_ok=True)

    def _request(self, key_id: str) -> Path:
        return self._folder / f"{key_id[:16]}.request.json"

    def _path(self, role: Role, key_id: str) -> Path:
        return self._folder / f"{role}-{key_id[:16]}.pem"

    def _files(self, role: Role) -> list[Path]:
        return list(self._folder.glob(f"{role}-*.pem")) if self._folder.is_dir() else []

    def _new(self, role: Role, passphrase: bytes | None) -> SigningKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import (
            BestAvailableEncryption,
            Encoding,
            NoEncryption,
            PrivateFormat,
        )

        private = Ed25519PrivateKey.generate()
        key = SigningKey(private)
        secret = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret)
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(role, key.key_id)
        write_new(path, pem, mode=0o600)
        return key

    def _open(self, path: Path, passphrase: bytes | None) -> SigningKey:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            pem = path.read_bytes()
        except FileNotFoundError as error:
            raise KeyFileError(
                location=str(path), found="no file", expected="the private key", action="Copy it."
            ) from error
        if path.stat().st_mode & _OTHERS:
            raise KeyFileError(
                location=str(path),
                found="a key file that others may read or write",
                expected="mode 0600",
                action="Revoke the key if somebody may have copied it; else `chmod 600`.",
            )
        try:
            private = load_pem_private_key(pem, passphrase)
        except (ValueError, TypeError) as error:
            raise KeyFileError(
                location=str(path),
                found="a key that this passphrase does not open",
                expected="its passphrase",
            ) from error
        if not isinstance(private, Ed25519PrivateKey):
            raise KeyFileError(location=str(path), found="another algorithm", expected="Ed25519")
        return SigningKey(private)


def passphrase_in_environment() -> bytes | None:
    """Return the passphrase in `TORGHUT_KEY_PASSPHRASE`; `None` if it is not set."""
    text = os.environ.get(PASSPHRASE_VARIABLE)
    return text.encode("utf-8") if text else None
