"""The seal of the audit index: nothing but what this home's runner wrote is read from it.

The index is derived, so it must not be able to lie: whoever edits it would hide what rests on a
record. After each change the runner signs the SHA-256 of the whole file. An index whose bytes are
not under that signature is not asked; it is made anew from the evidence. Whoever has the runner's
key could sign another index, and could sign statements as well.
"""

from pathlib import Path
from typing import Final

from torghut_assets.domain.digests import StreamingDigest
from torghut_assets.resources.home import Home
from torghut_assets.resources.key_ring import KeyFileError, KeyFolder, SigningKey

_CONTEXT: Final = b"torghut audit index seal v1\n"
_CHUNK_BYTES: Final = 1 << 20


class AuditSeal:
    """The seal beside the index of one home; without a runner's key there is none."""

    def __init__(self, home: Home) -> None:
        self._index = home.audit_index_path
        self._path = self._index.with_name(self._index.name + ".seal")
        self._key = _runner_key(home)

    def holds(self) -> bool:
        """Whether the index is the one that was sealed last."""
        try:
            kept = self._path.read_text("ascii")
            return self._key is not None and kept == self._signed(self._key)
        except (OSError, UnicodeDecodeError):
            return False

    def put(self) -> None:
        """Seal the index as it is now."""
        if self._key is not None:
            temporary = self._path.with_name(self._path.name + ".new")
            temporary.write_text(self._signed(self._key), "ascii")
            temporary.replace(self._path)

    def _signed(self, key: SigningKey) -> str:
        key_id, signature = key.sign(_CONTEXT + _sha256_of(self._index).encode("ascii"))
        return f"{key_id} {signature.hex()}\n"


def _sha256_of(path: Path) -> str:
    digest = StreamingDigest()
    buffer = bytearray(_CHUNK_BYTES)
    view = memoryview(buffer)
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(buffer):
            digest.update(view[:count])
    return digest.hexdigest


def _runner_key(home: Home) -> SigningKey | None:
    try:
        return KeyFolder(home).machine_key("runner", None)
    except (KeyFileError, PermissionError):
        return None
