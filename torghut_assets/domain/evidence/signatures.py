"""Ed25519 (RFC 8032) through the `cryptography` package, which is imported on use.

Only checking is here. Signing needs a private key, and those live in `resources/key_ring.py`.
"""

from typing import Final

PUBLIC_KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64


def is_signed_by(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether `signature` is the Ed25519 signature of `message` under `public_key`.

    Parameters
    ----------
    public_key : bytes of length 32
        Raw form of RFC 8032. Anything that is no key signs nothing.
    message : bytes
    signature : bytes of length 64
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True
