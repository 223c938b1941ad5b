"""The official clients of Anthropic and OpenAI-compatible services, on a short leash.

Whatever a service sends, this reads at most `max_response_bytes` of an answer with status
200 and JSON in it, follows no redirect and no proxy, unpacks nothing, and stops at the
deadline: the whole call is cancelled, however slowly bytes drip. The clients are imported
when they are used and are an optional extra.
"""

import asyncio
import importlib
from collections.abc import AsyncIterator
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.advisory_settings import (
    AdviceUnavailableError,
    AdvisorySettings,
)

_RETRY_STATUSES: Final = frozenset({429, 500, 502, 503, 504, 529})
_SDK: Final = {"anthropic": "anthropic", "openai-compatible": "openai"}
ReplyT = TypeVar("ReplyT", bound=BaseModel)


class Prompt(NamedTuple):
    """What is sent: the instruction, which holds no data, and the data, which is JSON."""

    system: str
    user: str


class Reply(NamedTuple):
    """What came back, and the bytes it was read from."""

    text: str
    model: str
    payload: bytes


class _MayBeRetriedError(AdviceUnavailableError):
    """The service was not reached, or said that it is busy."""


def load_client(settings: AdvisorySettings) -> Any:
    """Import the client library of the provider.

    Raises
    ------
    BadInputError
        If it is not installed.
    """
    name = _SDK[settings.provider]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BadInputError(
            location=f"advisory.yaml: provider {settings.provider}",
            found=f"no {name} in this environment",
            expected="the extra `advisory`",
            action="Install it with: pip install 'torghut-assets[advisory]'",
        ) from error


def converse(settings: AdvisorySettings, key: str, prompt: Prompt) -> Reply:
    """Ask once, or twice if the settings say so and the service was busy.

    Raises
    ------
    AdviceUnavailableError
        For every way in which there is no usable answer.
    """
    return asyncio.run(_converse(settings, key, prompt))


async def _converse(settings: AdvisorySettings, key: str, prompt: Prompt) -> Reply:
    ask = _ask_anthropic if settings.provider == "anthropic" else _ask_openai
    sdk = load_client(settings)
    try:
        async with asyncio.timeout(settings.total_seconds):
            for attempts_left in range(settings.retries, -1, -1):
                try:
                    return await ask(sdk, settings, key, prompt)
                except _MayBeRetriedError:
                    if not attempts_left:
                        raise
            raise AssertionError("the last attempt returns or raises")
    except TimeoutError as error:
        raise AdviceUnavailableError(
            "deadline", f"no whole answer within {settings.total_seconds:g} seconds"
        ) from error


async def _ask_anthropic(sdk: Any, settings: AdvisorySettings, key: str, prompt: Prompt) -> Reply:
    client = sdk.AsyncAnthropic(api_key=key, **_common(sdk, settings))
    async with client:
        payload = await _payload(
            sdk,
            settings,
            client.messages.with_streaming_response.create(
                model=settings.model,
                max_tokens=settings.max_output_tokens,
                system=prompt.system,
                messages=[{"role": "user", "content": prompt.user}],
            ),
        )
    reply = _parsed(_AnthropicReply, payload)
    if any(block.type != "text" for block in reply.content):
        raise AdviceUnavailableError("tool_call", "the model asked for something to be done")
    if reply.stop_reason != "end_turn":
        raise AdviceUnavailableError("cut_off", "the model did not finish its answer")
    return Reply("".join(block.text for block in reply.content), reply.model, payload)


async def _ask_openai(sdk: Any, settings: AdvisorySettings, key: str, prompt: Prompt) -> Reply:
    client = sdk.AsyncOpenAI(api_key=key, **_common(sdk, settings))
    async with client:
        payload = await _payload(
            sdk,
            settings,
            client.chat.completions.with_streaming_response.create(
                model=settings.model,
                messages=[
                    {"role": "system", "content": prompt.system},
                    {"role": "user", "content": prompt.user},
                ],
                response_format={"type": "json_object"},
                **{settings.token_limit_parameter: settings.max_output_tokens},
            ),
        )
    choice = (reply := _parsed(_OpenAIReply, payload)).choices[0]
    if choice.message.tool_calls or choice.message.function_call is not None:
        raise AdviceUnavailableError("tool_call", "the model asked for something to be done")
    if choice.finish_reason != "stop" or choice.message.content is None:
        raise AdviceUnavailableError("cut_off", "the model did not finish its answer")
    return Reply(choice.message.content, reply.model, payload)


def _common(sdk: Any, settings: AdvisorySettings) -> dict[str, Any]:
    """What both clients are built with: no retries of their own, our own connection."""

    async def refuse(response: Any) -> None:
        _refuse_by_head(response.status_code, response.headers, settings)

    timeout = _http_of(sdk).Timeout(settings.total_seconds, connect=settings.connect_seconds)
    return {
        "base_url": settings.base_url,
        "max_retries": 0,
        "timeout": timeout,
        "http_client": sdk.DefaultAsyncHttpxClient(
            follow_redirects=False,
            trust_env=False,
            mounts={"http://": None, "https://": None, "all://": None},  # no proxy
            timeout=timeout,
            headers={"accept-encoding": "identity"},
            event_hooks={"response": [refuse]},
        ),
    }


def _http_of(sdk: Any) -> Any:
    """Return the HTTP library of a client: newer ones moved from httpx to httpx2."""
    library = sdk.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0]
    return importlib.import_module(library)


def _refuse_by_head(status: int, headers: Any, settings: AdvisorySettings) -> None:
    """Refuse an answer by its status and headers, before any of its body is read."""
    if 300 <= status < 400:
        raise AdviceUnavailableError("redirect", f"status {status}: redirects are not followed")
    if status in _RETRY_STATUSES:
        raise _MayBeRetriedError("http_status", f"the service answered with status {status}")
    if status != 200:
        raise AdviceUnavailableError("http_status", f"the service answered with status {status}")
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise AdviceUnavailableError("not_json", "the answer is packed, which was not asked for")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise AdviceUnavailableError("not_json", "the answer is not declared to be JSON")
    stated = headers.get("content-length", "0")
    if not stated.isdigit() or len(stated) > 12 or int(stated) > settings.max_response_bytes:
        raise _too_large(settings)


def _too_large(settings: AdvisorySettings) -> AdviceUnavailableError:
    return AdviceUnavailableError(
        "response_too_large", f"the answer has more than {settings.max_response_bytes} bytes"
    )


async def _payload(sdk: Any, settings: AdvisorySettings, opening: Any) -> bytes:
    """Read the body piece by piece, and no further than allowed."""
    http = _http_of(sdk)
    try:
        async with opening as response:
            return await _capped(response.iter_bytes(4_096), settings)
    except (sdk.APIError, http.HTTPError, http.StreamError) as error:
        raise _own(error) or _MayBeRetriedError(
            "unreachable", f"no valid answer ({type(error).__name__})"
        ) from error


async def _capped(pieces: AsyncIterator[bytes], settings: AdvisorySettings) -> bytes:
    payload = bytearray()
    async for piece in pieces:
        payload += piece
        if len(payload) > settings.max_response_bytes:
            raise _too_large(settings)
    return bytes(payload)


def _own(error: BaseException) -> AdviceUnavailableError | None:
    """Return the refusal of ours that a client wrapped into an error of its own."""
    link: BaseException | None = error
    for _ in range(10):
        if link is None or isinstance(link, AdviceUnavailableError):
            return link
        link = link.__cause__ or link.__context__
    return None


class _Outside(BaseModel):
    """What a service sends: exact where we read it, whatever it likes elsewhere."""

    model_config = ConfigDict(strict=True, extra="ignore")


class _Block(_Outside):
    type: str
    text: str = ""


class _AnthropicReply(_Outside):
    model: str = Field(pattern=r"^[\x21-\x7e]{1,200}$")
    stop_reason: str
    content: list[_Block] = Field(min_length=1, max_length=100)


class _Message(_Outside):
    content: str | None = None
    tool_calls: list[Any] | None = None
    function_call: Any = None


class _Choice(_Outside):
    finish_reason: str
    message: _Message


class _OpenAIReply(_Outside):
    model: str = Field(pattern=r"^[\x21-\x7e]{1,200}$")
    choices: list[_Choice] = Field(min_length=1, max_length=1)


def _parsed(model: type[ReplyT], payload: bytes) -> ReplyT:
    try:
        return model.model_validate_json(payload)
    except ValidationError as error:
        raise AdviceUnavailableError(
            "malformed", f"the answer is not what the service documents ({_kind_of(error)})"
        ) from error


def _kind_of(error: ValidationError) -> str:
    """Name the first problem without quoting anything that came from outside."""
    return str(error.errors(include_url=False, include_input=False)[0]["type"])
