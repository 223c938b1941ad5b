"""Telling people: a webhook and the log. Failing to tell never holds anything up.

The address stands in an environment variable that the policy names, because it may hold a secret;
it is never written anywhere. A message is one JSON object by HTTP POST.
"""

import os
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping

from torghut_assets.domain.digests import canonical_json
from torghut_assets.domain.drift.policy import Webhook
from torghut_assets.domain.rollback.records import Notification

_MAY_FAIL = (OSError, ValueError, urllib.error.URLError)
_SCHEMES = ("http", "https")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A message is for the address that was configured and for no other."""

    def redirect_request(self, *_args: object, **_fields: object) -> None:
        return None


def notify(
    message: Mapping[str, str | list[str]], webhook: Webhook, log: Callable[[str], None]
) -> tuple[Notification, ...]:
    """Write a message to the log and post it; say how both went.

    Parameters
    ----------
    message : mapping
        Plain JSON data without secrets.
    webhook : Webhook
    log : callable
        Takes one line.

    Returns
    -------
    tuple of Notification
        One per channel. A failure is an outcome, never an exception.
    """
    text = canonical_json(dict(message))
    log(f"incident: {text.decode()}")
    told = Notification(channel="log", outcome="delivered", detail="")
    posted = _post(text, webhook)
    if posted.outcome != "delivered":
        log(f"webhook: {posted.outcome}, {posted.detail}")
    return (told, posted)


def _post(payload: bytes, webhook: Webhook) -> Notification:
    url = os.environ.get(webhook.url_variable, "")
    if not url:
        return Notification(
            channel="webhook",
            outcome="not_configured",
            detail=f"{webhook.url_variable} is not set",
        )
    try:
        if urllib.parse.urlsplit(url).scheme not in _SCHEMES:
            raise ValueError(f"{webhook.url_variable} holds no http or https address")
        request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
            url, data=payload, headers={"Content-Type": "application/json"}, method="POST"
        )
        opener = urllib.request.build_opener(_NoRedirects)
        with opener.open(request, timeout=webhook.timeout_seconds) as answer:
            status = int(answer.status)
    except urllib.error.HTTPError as error:
        return _failed(f"HTTP status {error.code}")
    except _MAY_FAIL as error:
        return _failed(_without(str(error) or type(error).__name__, url))
    return Notification(channel="webhook", outcome="delivered", detail=f"HTTP status {status}")


def _failed(detail: str) -> Notification:
    return Notification(channel="webhook", outcome="failed", detail=" ".join(detail.split())[:300])


def _without(text: str, url: str) -> str:
    """Take the address out of an error message."""
    parts = urllib.parse.urlsplit(url)
    for secret in (url, parts.netloc, parts.path, parts.query):
        if len(secret) > 1:
            text = text.replace(secret, "…")
    return text
