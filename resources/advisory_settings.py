"""Settings of the advisory model, and why there was no advice."""

import ipaddress
from typing import ClassVar, Final, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import TorghutError
from torghut_assets.domain.records import Digest, Part, Record, parse_record
from torghut_assets.resources.home import Home

Provider = Literal["off", "anthropic", "openai-compatible"]

NoAdviceCode = Literal[
    "settings",
    "not_installed",
    "no_key",
    "circuit_open",
    "request_too_large",
    "unreachable",
    "deadline",
    "redirect",
    "http_status",
    "not_json",
    "response_too_large",
    "malformed",
    "tool_call",
    "cut_off",
    "answer_breaks_the_form",
]
"""Every reason for which there is no advice."""

NO_ADVICE_CODES: Final[tuple[NoAdviceCode, ...]] = get_args(NoAdviceCode)
_FILE: Final = "advisory.yaml"


class AdvisorySettings(Record):
    """Which model is asked, where, and within which bounds."""

    record_kind: ClassVar[str] = "advisory-settings"

    settings_version: str = Field(min_length=1, max_length=40)
    provider: Provider
    base_url: str = Field(max_length=300)
    model: str = Field(pattern=r"^[\x21-\x7e]{1,200}$")
    api_key_variable: str = Field(
        pattern=r"^(TORGHUT_ADVISORY_API_KEY|ANTHROPIC_API_KEY|OPENAI_API_KEY)$"
    )
    token_limit_parameter: Literal["max_tokens", "max_completion_tokens"]
    max_output_tokens: int = Field(ge=16, le=32_000)
    max_request_bytes: int = Field(ge=1_024, le=1_048_576)
    max_response_bytes: int = Field(ge=1_024, le=1_048_576)
    connect_seconds: float = Field(gt=0, le=60)
    total_seconds: float = Field(gt=0, le=600)
    retries: int = Field(ge=0, le=1)
    breaker_failures: int = Field(ge=1, le=1_000)
    breaker_seconds: float = Field(gt=0, le=86_400)

    @field_validator("base_url")
    @classmethod
    def _is_encrypted_or_stays_here(cls, value: str) -> str:
        """Refuse an address to which the key would travel in the clear."""
        parts = urlsplit(value)
        if parts.username is not None or parts.password is not None:
            raise ValueError("an address with a user or a password in it")
        if parts.query or parts.fragment or not parts.hostname:
            raise ValueError("not a plain address")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_here(parts.hostname)):
            raise ValueError("neither https nor http on this machine")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _connects_within_the_deadline(self) -> Self:
        if self.connect_seconds > self.total_seconds:
            raise ValueError("connect_seconds is longer than total_seconds")
        return self


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def advisory_settings(home: Home) -> AdvisorySettings:
    """Read the settings in force.

    Raises
    ------
    BadInputError
        If the file breaks a rule; the first problem is named.
    """
    payload = home.config_path("advisory").read_bytes()
    return parse_record(AdvisorySettings, parse_yaml(payload, location=_FILE), location=_FILE)


class Exchange(Part):
    """One question to a model, by digest. Neither its text nor the answer's is stored.

    An answer is the model's bytes. In the artifact store they could pose as any record,
    a gate report for example, because the store names bytes by their digest alone.
    """

    provider: Provider
    base_url: str
    model_asked: str
    model_answered: str | None = Field(pattern=r"^[\x21-\x7e]{1,200}$")
    settings_digest: Digest
    prompt_digest: Digest
    response_digest: Digest | None


class AdviceUnavailableError(TorghutError):
    """There is no advice, which stops nothing.

    Parameters
    ----------
    code : str
        Why, for programs.
    detail : str
        Why, for people, in our own words: what a model wrote is never quoted here.
    exchange : Exchange, optional
        What was asked, if anything was.
    """

    def __init__(self, code: NoAdviceCode, detail: str, exchange: Exchange | None = None) -> None:
        self.code = code
        self.detail = detail
        self.exchange = exchange
        super().__init__(f"no advice: {detail}")
