"""What secrets look like, so that no pack carries one out of the house.

The patterns follow what issuers document about their own tokens, and what generators of keys
write. What has no form of its own is found by its assignment: a name such as `password`, then
a value that is too random to be a word. Digests, ids and base64 of signed statements are not.

References
----------
GitHub, Slack, Stripe, AWS, Google Cloud, OpenAI, Anthropic and Alpaca: documentation of their
tokens' prefixes. RFC 7468 (PEM), RFC 7519 (JWT), RFC 3986 section 3.2.1 (userinfo in URLs).
"""

import base64
import binascii
import math
import re
from collections import Counter
from typing import Final

_PATTERNS: Final = (
    ("a private key", rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ("an AWS access key id", rb"\b(?:AKIA|ASIA|AROA|AIDA)[A-Z2-7]{16}\b"),
    ("a Google API key", rb"\bAIza[0-9A-Za-z_-]{35}(?![0-9A-Za-z_-])"),
    ("a Google OAuth token", rb"\bya29\.[0-9A-Za-z_-]{20,}"),
    ("a Google OAuth client secret", rb"\bGOCSPX-[0-9A-Za-z_-]{28}"),
    ("a GitHub token", rb"\b(?:gh[pousr]_[0-9A-Za-z]{36,}|github_pat_[0-9A-Za-z_]{50,})"),
    ("a GitLab token", rb"\bglpat-[0-9A-Za-z_-]{20,}"),
    ("a Slack token", rb"\bxox[abeoprs]-[0-9A-Za-z-]{10,}"),
    (
        "a Slack webhook",
        rb"https://hooks\.slack\.com/services/[A-Z0-9]+/[A-Z0-9]+/[0-9A-Za-z]{16,}",
    ),
    ("an Anthropic key", rb"\bsk-ant-[0-9A-Za-z_-]{20,}"),
    ("an OpenAI key", rb"\bsk-(?:proj-|svcacct-|admin-)?[0-9A-Za-z_-]{32,}"),
    ("a Stripe key", rb"\b(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{16,}"),
    ("a Stripe webhook secret", rb"\bwhsec_[0-9A-Za-z+/=]{24,}"),
    ("an Alpaca key id", rb"\b(?:PK|AK|CK)[A-Z0-9]{18}\b"),
    ("an npm token", rb"\bnpm_[0-9A-Za-z]{36}\b"),
    ("a PyPI token", rb"\bpypi-[0-9A-Za-z_-]{50,}"),
    ("a JSON web token", rb"\beyJ[0-9A-Za-z_-]{8,}\.eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{16,}"),
    (
        "a password in an address",
        rb"\b[a-z][a-z0-9+.-]{1,20}://[^/\s:@\"'<>]{1,80}:[^/\s:@\"'<>]{3,}@",
    ),
)
_FORMS: Final = tuple((kind, re.compile(pattern)) for kind, pattern in _PATTERNS)
_ASSIGNED: Final = re.compile(
    rb"(?i)(?:pass(?:word|wd|phrase)|secret(?:_?key)?|api[_-]?key|access[_-]?key|auth[_-]?token|"
    rb"access[_-]?token|refresh[_-]?token|bearer|private[_-]?key|credentials?)"
    rb"[\"'\\]{0,3}\s{0,3}(?:[:=]|\s)\s{0,3}[\"'\\]{0,3}([0-9A-Za-z+/_.~!@#$%^&*=-]{12,200})"
)
_ENVELOPE: Final = re.compile(rb'"payload":"([0-9A-Za-z+/=]{40,})"')
_HEX: Final = re.compile(rb"[0-9a-f]{64}")
_MIN_BITS: Final = 3.2
_MIN_CLASSES: Final = 2


def secrets_in(payload: bytes) -> list[tuple[str, int]]:
    """Return the kind and byte position of everything in a text that looks like a secret.

    Signed statements are looked into, too. The secret itself is never returned.
    """
    found = [(kind, m.start()) for kind, form in _FORMS for m in form.finditer(payload)]
    found += [
        ("a value that is assigned like a secret", match.start(1))
        for match in _ASSIGNED.finditer(payload)
        if _is_random(match.group(1))
    ]
    for match in _ENVELOPE.finditer(payload):
        try:
            inner = base64.b64decode(match.group(1), validate=True)
        except (binascii.Error, ValueError):
            continue
        found += [(kind, match.start(1)) for kind, _ in secrets_in(inner)]
    return sorted(found, key=lambda item: item[1])


def _is_random(value: bytes) -> bool:
    """Whether a value is too random for a word: entropy of its bytes, and kinds of characters.

    Digests of this project, 64 hexadecimal digits, are public by design.
    """
    if _HEX.fullmatch(value.rstrip(b"=")):
        return False
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    classes = sum(
        re.search(form, value) is not None for form in (rb"[a-z]", rb"[A-Z]", rb"[0-9]", rb"[^\w]")
    )
    return bits >= _MIN_BITS and classes >= _MIN_CLASSES and any(48 <= b <= 57 for b in value)
