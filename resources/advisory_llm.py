"""The one door to a language model: its key, its bounds, its circuit breaker.

Read `AdvisoryModel.ask` first. The key is read from the environment here and nowhere else,
goes to the client and nowhere else, and is no part of any record, message or log line. The
answer is parsed once, here, into a bounded form; what does not fit is no advice.
"""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from pydantic import ValidationError

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import Part
from torghut_assets.resources.advisory_clients import Prompt, converse, load_client
from torghut_assets.resources.advisory_settings import (
    AdviceUnavailableError,
    AdvisorySettings,
    Exchange,
    NoAdviceCode,
    advisory_settings,
)
from torghut_assets.resources.home import Home

FormT = TypeVar("FormT", bound=Part)
_FENCED: Final = re.compile(r"```(?:json)?\s*(\{.*\})\s*```", re.DOTALL)


@dataclass(frozen=True)
class Answer(Generic[FormT]):
    """A model's answer in the form that was asked for, and how it came about."""

    form: FormT
    exchange: Exchange


class CircuitBreaker:
    """Stops asking after failures in a row; after a while one question may try again.

    Parameters
    ----------
    clock : callable
        Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures = 0
        self._opened_at: float | None = None

    def require_closed(self, settings: AdvisorySettings) -> None:
        """Raise `AdviceUnavailableError` while the circuit is open."""
        if self._opened_at is None:
            return
        left = self._opened_at + settings.breaker_seconds - self._clock()
        if left > 0:
            raise AdviceUnavailableError(
                "circuit_open",
                f"the service failed {self._failures} times in a row and is asked again in "
                f"{left:.0f} seconds at the earliest",
            )

    def note_success(self) -> None:
        """Close the circuit."""
        self._failures, self._opened_at = 0, None

    def note_failure(self, settings: AdvisorySettings) -> None:
        """Count a failure; open the circuit, or open it again, at the limit."""
        self._failures += 1
        if self._failures >= settings.breaker_failures:
            self._opened_at = self._clock()


class AdvisoryModel:
    """Asks the model that the settings of a home name; by default there is none.

    The circuit breaker's state is that of this object, so of one process.
    """

    def __init__(self, home: Home, clock: Callable[[], float] = time.monotonic) -> None:
        self._home = home
        self._breaker = CircuitBreaker(clock)

    def require_ready(self) -> AdvisorySettings:
        """Return the settings if a question could be asked, or the provider is off.

        Raises
        ------
        BadInputError
            If the settings break a rule, the client is not installed or there is no key.
        """
        settings = advisory_settings(self._home)
        if settings.provider != "off":
            load_client(settings)
            _key(settings)
        return settings

    def ask(self, prompt: Prompt, form: type[FormT]) -> Answer[FormT] | None:
        """Ask for an answer in a form; `None` if the provider is off.

        Parameters
        ----------
        prompt : Prompt
            At most `max_request_bytes` of UTF-8.
        form : type of Part
            Every text and list in it bounded.

        Raises
        ------
        AdviceUnavailableError
            For every other reason, settings included: advice never stops anything.
        """
        try:
            settings = advisory_settings(self._home)
        except (BadInputError, OSError) as error:
            raise AdviceUnavailableError("settings", _one_line(error)) from error
        if settings.provider == "off":
            return None
        try:
            load_client(settings)
        except BadInputError as error:
            raise AdviceUnavailableError("not_installed", _one_line(error)) from error
        try:
            key = _key(settings)
        except BadInputError as error:
            raise AdviceUnavailableError("no_key", _one_line(error)) from error
        return self._ask(settings, key, prompt, form)

    def _ask(
        self, settings: AdvisorySettings, key: str, prompt: Prompt, form: type[FormT]
    ) -> Answer[FormT]:
        sent = canonical_json({"system": prompt.system, "user": prompt.user})
        exchange = Exchange(
            provider=settings.provider,
            base_url=settings.base_url,
            model_asked=settings.model,
            model_answered=None,
            settings_digest=settings.digest,
            prompt_digest=sha256_hex(sent),
            response_digest=None,
        )
        if len(sent) > settings.max_request_bytes:
            raise AdviceUnavailableError(
                "request_too_large",
                f"{len(sent)} bytes of evidence, at most {settings.max_request_bytes} are sent",
                exchange,
            )
        self._breaker.require_closed(settings)
        try:
            reply = converse(settings, key, prompt)
            answered = exchange.model_copy(
                update={
                    "model_answered": reply.model,
                    "response_digest": sha256_hex(reply.payload),
                }
            )
            exchange = answered
            parsed = _parse(form, reply.text)
        except AdviceUnavailableError as error:
            self._breaker.note_failure(settings)
            raise AdviceUnavailableError(error.code, error.detail, exchange) from error
        self._breaker.note_success()
        return Answer(parsed, answered)


def _key(settings: AdvisorySettings) -> str:
    """Return the key from the environment."""
    name = settings.api_key_variable
    if not (key := os.environ.get(name, "")):
        raise BadInputError(
            location=f"advisory.yaml: provider {settings.provider}",
            found=f"no {name} in the environment",
            expected="the key of the service",
            action="Export it; it is never an argument or a setting. Or set provider: off.",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadInputError(
            location=name, found="characters that no key has", expected="the key of the service"
        )
    return key


def _parse(form: type[FormT], text: str) -> FormT:
    """Parse an answer, bare or in one code fence, strictly."""
    stripped = text.strip()
    fenced = _FENCED.fullmatch(stripped)
    try:
        return form.model_validate_json(fenced.group(1) if fenced else stripped)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]["type"]
        code: NoAdviceCode = "answer_breaks_the_form"
        raise AdviceUnavailableError(
            code, f"the answer does not have the form that was asked for ({problem})"
        ) from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
