"""The artifact store on S3-compatible storage: one object per artifact.

An object is created only if there is none of its name (`If-None-Match: *`, or a question before
the write if the server does not know conditions); a lost or repeated request makes no
difference, as a name allows one content only.
The signature of a request covers the SHA-256 of its body, so a server never stores other bytes
than were sent. What is read is digested. Address and credentials come from the environment;
no message quotes more than bucket and prefix.
"""

import datetime as dt
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from torghut_assets.domain.digests import StreamingDigest, is_digest, sha256_hex
from torghut_assets.domain.errors import (
    BadInputError,
    EvidenceDigestMismatchError,
    EvidenceError,
    EvidenceMissingError,
    UsageError,
)
from torghut_assets.resources.artifact_store import (
    PIECE_BYTES,
    ArtifactStore,
    DigestedFile,
    Shelf,
    StoredSize,
    digest_of_file,
    require_digest,
    temporary_in,
)

if TYPE_CHECKING:
    from obstore.store import S3Store

CLIENT_VARIABLES: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
)
"""What the client reads itself, besides the rest of AWS's own variables."""
_RETRIES: Final = 6
_RETRY_FOR: Final = dt.timedelta(seconds=60)
_FIRST_WAIT: Final = dt.timedelta(milliseconds=100)
_ANSWER_WITHIN: Final = "60s"
_LARGEST_BYTES: Final = 5 * 1024**3
"""What S3 takes in one request. Parts would lose the condition that nothing is replaced."""


class StoreUnavailableError(EvidenceError):
    """The storage cannot be reached, or refuses."""

    def __init__(self, location: str, problem: str) -> None:
        super().__init__(
            f"{location}: {problem}. Nothing was replaced. See TORGHUT_STORE_URL, "
            "AWS_ENDPOINT_URL, the credentials in the environment, and the storage's own log."
        )


class BucketStore(ArtifactStore):
    """Objects under a prefix of a bucket, each named by the SHA-256 of its bytes.

    Parameters
    ----------
    bucket, prefix : str
    scratch : Path
        Local folder for files being written, and for verified copies of large artifacts. It
        may be deleted when nothing runs.
    """

    def __init__(self, bucket: str, prefix: str, scratch: Path) -> None:
        self._bucket, self._prefix, self._scratch = bucket, prefix, scratch
        self._conditional: bool | None = None
        """Whether the server knows conditional writes; `None` before the first."""

    @property
    def location(self) -> str:
        """Bucket and prefix."""
        return f"store s3://{self._bucket}/{self._prefix}".rstrip("/")

    def __contains__(self, digest: str) -> bool:
        return self._size_of(require_digest(digest)) is not None

    def put(self, payload: bytes) -> str:
        """Create the object; what is there already stays, unless it is torn or altered."""
        digest = sha256_hex(payload)
        self._create(digest, payload, len(payload))
        return digest

    def get(self, digest: str) -> bytes:
        """Return the bytes of an object, verified."""
        payload = b"".join(self._pieces(digest))
        if (actual := sha256_hex(payload)) != digest:
            raise self._altered(digest, actual)
        return payload

    def verified_path(self, digest: str) -> Path:
        """Fetch an object once and verify the local copy at each use.

        The object is asked for each time: a copy does not stand in for one that is gone or of
        another size.
        """
        copy = self._scratch / digest[:2] / require_digest(digest)
        size = self._size_of(digest)
        if size is None:
            raise self._missing(digest)
        if copy.is_file() and copy.stat().st_size == size and digest_of_file(copy) == digest:
            return copy
        with self.writing() as temporary:
            found = StreamingDigest()
            with temporary.open("wb") as handle:
                for piece in self._pieces(digest):
                    found.update(piece)
                    handle.write(piece)
            if (actual := found.hexdigest) != digest:
                raise self._altered(digest, actual)
            copy.parent.mkdir(parents=True, exist_ok=True)
            temporary.replace(copy)
        return copy

    def opening(self, digest: str, length: int) -> bytes:
        """Return the first bytes of an object with one ranged request."""
        with self._asking(digest):
            return bytes(self._store.get_range(_key(digest), start=0, length=length))

    def is_intact(self, digest: str) -> bool:
        """Read the object and digest it."""
        found = StreamingDigest()
        for piece in self._pieces(digest):
            found.update(piece)
        return found.hexdigest == digest

    @contextmanager
    def writing(self) -> Iterator[Path]:
        """Give a temporary path in the scratch folder."""
        with temporary_in(self._scratch) as temporary:
            yield temporary

    def adopt(self, temporary: Path) -> str:
        """Send a finished file, and keep it as the verified copy."""
        digest = digest_of_file(temporary)
        self._create(digest, temporary, temporary.stat().st_size)
        copy = self._scratch / digest[:2] / digest
        copy.parent.mkdir(parents=True, exist_ok=True)
        temporary.replace(copy)
        return digest

    def link(self, source: DigestedFile) -> str:
        """Copy an outside file, digest the copy and send it: a bucket cannot share its bytes."""
        with self.writing() as temporary:
            with source.path.open("rb") as reader, temporary.open("wb") as writer:
                while piece := reader.read(PIECE_BYTES):
                    writer.write(piece)
            return self.adopt(temporary)

    def shelves(self) -> Iterator[Shelf]:
        """List the bucket once; a shelf's mark is the digest of its names."""
        for name, digests in groupby((digest for digest, _ in self._listed()), lambda d: d[:2]):
            held = tuple(digests)
            yield Shelf(name, sha256_hex("".join(held).encode("ascii")), held.__iter__)

    def size(self) -> StoredSize:
        """Count by listing."""
        sizes = [size for _, size in self._listed()]
        return StoredSize(len(sizes), sum(sizes))

    def _listed(self) -> Iterator[tuple[str, int]]:
        with self._asking(None):
            found = [
                (each["path"].rpartition("/")[2], int(each["size"]))
                for chunk in self._store.list()
                for each in chunk
            ]
        yield from sorted(each for each in found if is_digest(each[0]))

    def _create(self, digest: str, content: "bytes | Path", size_bytes: int) -> None:
        if size_bytes > _LARGEST_BYTES:
            raise BadInputError(
                location=f"{self.location} {digest}",
                found=f"an artifact of {size_bytes:,} bytes",
                expected=f"at most {_LARGEST_BYTES:,}, what S3 takes in one request",
                action="Take snapshots of shorter windows or of fewer symbols.",
            )
        with self._asking(digest):
            if not self._created(digest, content) and not self.is_intact(digest):
                self._store.put(_key(digest), content, mode="overwrite", use_multipart=False)

    def _created(self, digest: str, content: "bytes | Path") -> bool:
        """Create an object; `False` if there is one already.

        A server without conditional writes is asked first. Between the answer and the write
        another process may create the object: with the same bytes, as the name says which.
        """
        from obstore.exceptions import AlreadyExistsError, GenericError, NotSupportedError

        key = _key(digest)
        if self._conditional is not False:
            store = self._store if self._conditional else self._impatient
            try:
                store.put(key, content, mode="create", use_multipart=False)
            except AlreadyExistsError:
                self._conditional = True
                return False
            except (NotSupportedError, GenericError, NotImplementedError) as error:
                if _unknown_to_server(error):
                    self._conditional = False
                else:  # whatever it was, now with patience
                    return self._created_after_trouble(key, content)
            else:
                self._conditional = True
                return True
        if digest in self:
            return False
        self._store.put(key, content, mode="overwrite", use_multipart=False)
        return True

    def _created_after_trouble(self, key: str, content: "bytes | Path") -> bool:
        from obstore.exceptions import AlreadyExistsError

        try:
            self._store.put(key, content, mode="create", use_multipart=False)
        except AlreadyExistsError:
            return False
        return True

    def _pieces(self, digest: str) -> Iterator[bytes]:
        with self._asking(digest):
            for piece in self._store.get(_key(digest)).stream(min_chunk_size=PIECE_BYTES):
                yield bytes(piece)

    def _size_of(self, digest: str) -> int | None:
        try:
            with self._asking(digest):
                return int(self._store.head(_key(digest))["size"])
        except EvidenceMissingError:
            return None

    @contextmanager
    def _asking(self, digest: str | None) -> Iterator[None]:
        """Turn what the client raises into refusals of this project."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            if digest is None or "NoSuchBucket" in str(error):
                raise StoreUnavailableError(self.location, "there is no such bucket") from error
            raise self._missing(digest) from error
        except BaseError as error:
            raise StoreUnavailableError(self.location, _problem(error)) from error

    @cached_property
    def _store(self) -> "S3Store":
        return self._client(_RETRIES)

    @cached_property
    def _impatient(self) -> "S3Store":
        """For the first write, which shows whether the server knows conditional writes."""
        return self._client(0)

    def _client(self, retries: int) -> "S3Store":
        try:
            from obstore.store import S3Store
        except ModuleNotFoundError as error:
            raise UsageError(
                "TORGHUT_STORE_URL names a bucket: install the extra `team` of torghut-assets."
            ) from error
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        return S3Store(
            self._bucket,
            prefix=self._prefix or None,
            client_options={"allow_http": plain, "timeout": _ANSWER_WITHIN},
            retry_config={
                "max_retries": retries,
                "retry_timeout": _RETRY_FOR,
                "backoff": {"init_backoff": _FIRST_WAIT},
            },
        )

    def _missing(self, digest: str) -> EvidenceMissingError:
        return EvidenceMissingError(location=f"{self.location}/{_key(digest)}", digest=digest)

    def _altered(self, digest: str, actual: str) -> EvidenceDigestMismatchError:
        return EvidenceDigestMismatchError(
            location=f"{self.location}/{_key(digest)}", expected=digest, actual=actual
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (BucketStore, (self._bucket, self._prefix, self._scratch))


def _key(digest: str) -> str:
    return f"{require_digest(digest)[:2]}/{digest}"


def _unknown_to_server(error: BaseException) -> bool:
    """Whether a conditional write failed because the server, or a setting, knows no such thing."""
    told = str(error)
    return "501" in told or "NotImplemented" in told or type(error).__name__ != "GenericError"


def _problem(error: BaseException) -> str:
    """What went wrong in a few words, without the address, headers or body of a request."""
    kind = type(error).__name__.removesuffix("Error")
    told = f"{kind} {error}"
    for sign, words in _KNOWN.items():
        if sign in told:
            return words
    return f"the storage answered with an error of kind {kind}"


_KNOWN: Final = {
    "NoSuchBucket": "there is no such bucket",
    "SignatureDoesNotMatch": "the secret key is not the one of the access key",
    "InvalidAccessKeyId": "the access key is unknown",
    "AccessDenied": "these credentials may not do this",
    "PermissionDenied": "these credentials may not do this",
    "Unauthenticated": "the credentials are missing or wrong",
    "after 6 retries": "it cannot be reached, or kept answering with an error",
    "ExpiredToken": "the credentials have expired",
    "onnection refused": "nothing listens at its address",
    "error sending request": "it cannot be reached or did not answer in time",
    "HTTP status server error": "it kept answering with a server error",
}
"""What the client's messages say, and what a person should read."""
