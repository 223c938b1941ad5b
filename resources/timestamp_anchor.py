"""Tree heads with a time stamp of RFC 3161: a third party says that a head existed by a time.

The optional extra `anchors` speaks the protocol and checks the stamp; certificates are the
user's: nobody is trusted by default.
"""

import base64
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.anchors import TimestampedHead
from torghut_assets.domain.evidence.dsse import read_envelope
from torghut_assets.domain.evidence.entries import read_tree_head
from torghut_assets.domain.evidence.faults import EvidenceRefusedError, Fault

if TYPE_CHECKING:
    from cryptography.x509 import Certificate
    from rfc3161_client import TimeStampRequest, TimeStampResponse

_MAX_ANSWER_BYTES: Final = 64 * 1024
_TOLERANCE: Final = dt.timedelta(minutes=5)


def stamped(signed: bytes, *, url: str, roots: Path, seconds: float = 30.0) -> TimestampedHead:
    """Ask an authority for a time stamp over a signed head, and check it before it is kept.

    Parameters
    ----------
    signed : bytes
        The head in its canonical form.
    url : str
        Of the authority, http or https.
    roots : Path
        Certificates in PEM that the authority's chain must end in.
    seconds : float
        How long to wait for an answer.

    Raises
    ------
    BadInputError
        If the extra is missing, the URL is none, or nobody answers as an authority does.
    EvidenceRefusedError
        With `timestamp_invalid` if the answer does not verify.
    """
    client = _client()
    request = (
        client.TimestampRequestBuilder()
        .data(signed)
        .hash_algorithm(client.HashAlgorithm.SHA256)
        .nonce(nonce=True)
        .cert_request(cert_request=True)
        .build()
    )
    payload = _asked(url, request.as_bytes(), seconds)
    head = TimestampedHead(
        head=read_envelope(signed, location="head"),
        response=base64.b64encode(payload).decode("ascii"),
    )
    require_stamp(head, roots, location=url, request=request)
    return head


def require_stamp(
    head: TimestampedHead,
    roots: Path | None,
    *,
    location: str,
    request: "TimeStampRequest | None" = None,
) -> dt.datetime:
    """Check the stamp of a head and return the time that it names.

    Raises
    ------
    BadInputError
        If there are no certificates to check it with, or the extra is missing.
    EvidenceRefusedError
        With `timestamp_invalid` if it is of other bytes, by nobody whom the certificates know,
        or older than the head says that it is itself.
    """
    if roots is None:
        raise BadInputError(
            location=location,
            found="a time stamp, and no certificates",
            expected="--tsa-roots FILE.pem: the roots that you trust to tell the time",
        )
    client = _client()
    certificates = _certificates(roots)
    try:
        response = client.decode_timestamp_response(head.response_bytes(location=location))
    except ValueError as error:
        raise _invalid(location, "no answer of an authority in DER") from error
    builder = client.VerifierBuilder()
    if request is not None:
        builder = client.VerifierBuilder.from_request(request)
    for certificate in certificates:
        builder = builder.add_root_certificate(certificate)
    try:
        builder.build().verify_message(response, head.signed_head)
    except (client.VerificationError, ValueError) as error:
        raise _invalid(location, " ".join(str(error).split())[:200]) from error
    return _time_of(response, head, location)


def _time_of(response: "TimeStampResponse", head: TimestampedHead, location: str) -> dt.datetime:
    stamped_at = response.tst_info.gen_time.astimezone(dt.UTC)
    said, _ = read_tree_head(head.signed_head, location=location)
    if said.recorded_at - stamped_at > _TOLERANCE:
        raise _invalid(location, f"stamped at {stamped_at}, the head says {said.recorded_at}")
    return stamped_at


def _asked(url: str, question: bytes, seconds: float) -> bytes:
    """Return an authority's answer; only here is the network touched, and its modules loaded."""
    import urllib.error
    import urllib.request

    if not url.startswith(("http://", "https://")):
        raise BadInputError(location="--tsa", found=ascii(url)[:80], expected="an http(s) URL")
    request = urllib.request.Request(  # noqa: S310 - http and https only
        url, data=question, headers={"Content-Type": "application/timestamp-query"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=seconds) as answer:  # noqa: S310
            payload: bytes = answer.read(_MAX_ANSWER_BYTES + 1)
            kind = answer.headers.get_content_type()
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise BadInputError(
            location="--tsa", found=ascii(str(error))[:160], expected="an answer of the authority"
        ) from error
    if kind != "application/timestamp-reply" or len(payload) > _MAX_ANSWER_BYTES:
        raise BadInputError(
            location="--tsa",
            found=f"{len(payload)} bytes of {ascii(kind)[:60]}",
            expected=f"at most {_MAX_ANSWER_BYTES} bytes of application/timestamp-reply",
        )
    return payload


def _certificates(path: Path) -> "list[Certificate]":
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise BadInputError(
            location=f"--tsa-roots {path}",
            found=ascii(str(error))[:120],
            expected="certificates in PEM",
        ) from error


def _client() -> Any:
    """Return the module of the optional extra, or say which extra is missing."""
    try:
        import rfc3161_client
    except ImportError as error:
        raise BadInputError(
            location="time stamps",
            found="rfc3161-client is not installed",
            expected="the extra `anchors`",
            action="Install it with: pip install 'torghut-assets[anchors]'",
        ) from error
    return rfc3161_client


def _invalid(location: str, detail: str) -> EvidenceRefusedError:
    return EvidenceRefusedError(Fault.TIMESTAMP_INVALID, location=location, detail=detail)
