"""The door to a model: bounds, deadline, breaker, key; through both real clients."""

import sys
import time

import pytest
from hostile_attacks import DELAY_SECONDS, attacks
from hostile_service import (
    KEY,
    KEY_VARIABLE,
    PROVIDERS,
    Service,
    answers,
    configure,
    configure_for,
    says,
)

from torghut_assets.advisory.forms import ProposalForm, ReviewForm, RunbookForm, SummaryForm
from torghut_assets.advisory.prompts import prompt
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources import advisory_clients
from torghut_assets.resources.advisory_llm import AdvisoryModel
from torghut_assets.resources.advisory_settings import NO_ADVICE_CODES, AdviceUnavailableError

EVIDENCE = {"candidate": {"thesis": "it goes up"}}


@pytest.fixture(scope="module")
def service():
    with Service() as service:
        yield service


@pytest.fixture(scope="module")
def trap():
    with Service() as trap:
        yield trap


@pytest.fixture
def ready(home, service, monkeypatch):
    """A home, its model and a service that behaves until told otherwise."""
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    service.behave = answers("fine")
    service.seen.clear()
    service.sent_bytes = 0
    return home, AdvisoryModel(home), service


def reason(model, form=SummaryForm, evidence=EVIDENCE):
    """Ask and return how it ended: `advice` or the code of the reason, and the error."""
    try:
        model.ask(prompt(form, evidence), form)
    except AdviceUnavailableError as error:
        return error.code, error
    return "advice", None


@pytest.mark.parametrize("form", [SummaryForm, ReviewForm, ProposalForm, RunbookForm])
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_good_answer_is_parsed_and_named_by_digest(ready, provider, form):
    home, model, service = ready
    configure_for(home, service, provider, token_limit_parameter="max_completion_tokens")
    answer = model.ask(prompt(form, EVIDENCE), form)
    assert isinstance(answer.form, form)
    exchange = answer.exchange
    assert (exchange.provider, exchange.model_asked) == (provider, "test-model-1")
    assert exchange.model_answered == "test-model-1-answered"
    assert len({exchange.prompt_digest, exchange.response_digest, exchange.settings_digest}) == 3
    (seen,) = service.seen
    assert seen.form == form.__name__
    assert seen.user == '<evidence>{"candidate":{"thesis":"it goes up"}}</evidence>'
    assert seen.body["model"] == "test-model-1"
    limit = "max_tokens" if provider == "anthropic" else "max_completion_tokens"
    assert seen.body[limit] == 2000
    assert seen.headers["accept-encoding"] == "identity"
    assert "tools" not in seen.body


@pytest.mark.parametrize("provider", PROVIDERS)
def test_only_the_named_key_is_sent_whatever_else_the_environment_holds(
    ready, provider, monkeypatch, trap
):
    home, model, service = ready
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, "another-secret")
    for name in ("ANTHROPIC_BASE_URL", "OPENAI_BASE_URL", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, trap.url)
        monkeypatch.setenv(name.lower(), trap.url)
    monkeypatch.setenv("APCA_API_SECRET_KEY", "broker-secret")
    configure_for(home, service, provider)
    assert reason(model)[0] == "advice"
    (seen,) = service.seen
    sent = str(seen)
    assert KEY in str(seen.headers)
    assert KEY not in str(seen.body)
    assert "another-secret" not in sent
    assert "broker-secret" not in sent
    assert trap.seen == []


@pytest.mark.slow
@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_attack_ends_as_it_must_through_the_real_client(ready, provider, trap):
    """More than a hundred injections and every attack on the wire; nothing else gets out."""
    home, model, service = ready
    found, codes = {}, set()
    for attack in attacks(trap.url):
        seconds = DELAY_SECONDS if attack.slow else 20.0
        configure_for(
            home, service, provider, total_seconds=seconds, connect_seconds=min(seconds, 5.0)
        )
        service.behave, service.sent_bytes = attack.behave, 0
        form = (SummaryForm, ReviewForm, ProposalForm)[len(found) % 3]
        started = time.monotonic()
        ended, error = reason(model, form)
        took = time.monotonic() - started
        codes.add(ended)
        if ended not in attack.ends:
            found[attack.name] = f"{ended}: {error}"
        elif attack.slow and took > DELAY_SECONDS + 3.0:
            found[attack.name] = f"took {took:.1f} seconds"
        elif service.sent_bytes > 8 << 20:
            found[attack.name] = f"{service.sent_bytes} bytes were taken"
        else:
            found[attack.name] = None
        if error is not None:
            assert KEY not in str(error)
            assert "approve" not in str(error)
    assert {name: how for name, how in found.items() if how} == {}
    assert len(found) > 150
    assert trap.seen == [], "a redirect was followed"
    assert codes >= {"advice", "deadline", "redirect", "tool_call", "response_too_large"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_busy_service_is_asked_once_more_if_the_settings_say_so(ready, provider):
    home, model, service = ready
    fine, calls = answers("fine"), []

    def busy_once(handler, seen):
        calls.append(seen)
        if len(calls) == 1:
            handler.send_response(529)
            handler.send_header("content-length", "0")
            handler.end_headers()
        else:
            fine(handler, seen)

    service.behave = busy_once
    configure_for(home, service, provider, retries=1)
    assert reason(model)[0] == "advice"
    assert len(calls) == 2
    calls.clear()
    configure_for(home, service, provider, retries=0)
    assert reason(model)[0] == "http_status"
    assert len(calls) == 1
    service.behave = says("no form")
    service.seen.clear()
    configure_for(home, service, provider, retries=1)
    assert reason(model)[0] == "answer_breaks_the_form"
    assert len(service.seen) == 1, "a bad answer is not asked for again"


def test_the_breaker_opens_after_failures_in_a_row_and_tries_again_after_a_while(
    ready, monkeypatch
):
    home, _, service = ready
    now = [1_000.0]
    model = AdvisoryModel(home, clock=lambda: now[0])
    configure_for(home, service, "anthropic", breaker_failures=3, breaker_seconds=60.0)
    service.behave = says("no form")
    assert [reason(model)[0] for _ in range(2)] == ["answer_breaks_the_form"] * 2
    service.behave = answers("fine")
    assert reason(model)[0] == "advice", "a success closes it"
    service.behave = says("no form")
    ends = [reason(model)[0] for _ in range(5)]
    assert ends == ["answer_breaks_the_form"] * 3 + ["circuit_open"] * 2
    asked = len(service.seen)
    now[0] += 59.9
    assert reason(model)[0] == "circuit_open"
    assert len(service.seen) == asked
    now[0] += 0.2
    assert reason(model)[0] == "answer_breaks_the_form", "one question tries again"
    assert reason(model)[0] == "circuit_open", "and its failure opens it again"
    now[0] += 60.1
    service.behave = answers("fine")
    assert [reason(model)[0] for _ in range(2)] == ["advice", "advice"]


def test_nobody_is_asked_as_shipped(home, monkeypatch):
    monkeypatch.setattr(advisory_clients, "load_client", None)
    model = AdvisoryModel(home)
    assert model.require_ready().provider == "off"
    assert model.ask(prompt(SummaryForm, EVIDENCE), SummaryForm) is None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_missing_key_a_missing_client_and_bad_settings_are_one_clear_error_each(
    home, service, provider, monkeypatch
):
    service.seen.clear()
    configure_for(home, service, provider)
    model = AdvisoryModel(home)
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    with pytest.raises(BadInputError, match=f"no {KEY_VARIABLE} in the environment"):
        model.require_ready()
    assert reason(model)[0] == "no_key"
    monkeypatch.setenv(KEY_VARIABLE, "two words")
    with pytest.raises(BadInputError, match="characters that no key has") as refused:
        model.require_ready()
    assert "two words" not in str(refused.value)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    name = "anthropic" if provider == "anthropic" else "openai"
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BadInputError, match=r"pip install 'torghut-assets\[advisory\]'"):
        model.require_ready()
    assert reason(model)[0] == "not_installed"
    (home.root / "config" / "advisory.yaml").write_text("provider: off\nprovider: on\n")
    with pytest.raises(BadInputError, match="the key 'provider' twice"):
        model.require_ready()
    assert reason(model)[0] == "settings"
    assert service.seen == []


def test_more_evidence_than_allowed_is_not_sent(ready):
    home, model, service = ready
    configure_for(home, service, "anthropic", max_request_bytes=2_000)
    code, error = reason(model, evidence={"thesis": "x" * 5_000})
    assert code == "request_too_large"
    assert error.exchange.prompt_digest
    assert service.seen == []


def test_a_service_that_is_not_there_is_unreachable(ready):
    home, model, _ = ready
    with Service() as gone:
        pass
    for provider in PROVIDERS:
        configure_for(home, gone, provider)
        code, error = reason(model)
        assert code == "unreachable"
        assert error.exchange.response_digest is None


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"base_url": "http://example.com"}, "neither https nor http on this machine"),
        ({"base_url": "ftp://example.com"}, "neither https nor http on this machine"),
        ({"base_url": "http://127.0.0.1.example.com"}, "neither https nor http"),
        ({"base_url": "https://me:secret@example.com"}, "a user or a password"),
        ({"base_url": "https://example.com/?key=1"}, "not a plain address"),
        ({"base_url": "https://"}, "not a plain address"),
        ({"api_key_variable": "APCA_API_SECRET_KEY"}, "api_key_variable"),
        ({"api_key_variable": "HOME"}, "api_key_variable"),
        ({"provider": "somebody"}, "provider"),
        ({"max_response_bytes": 10**9}, "max_response_bytes"),
        ({"retries": 2}, "retries"),
        ({"total_seconds": 0.0}, "total_seconds"),
        ({"connect_seconds": 50.0, "total_seconds": 5.0}, "connect_seconds is longer"),
        ({"model": "two words"}, "model"),
        ({"api_key": "sk-in-the-file"}, "api_key"),
    ],
)
def test_settings_that_break_a_rule_are_refused(home, changes, problem):
    configure(home, **changes)
    with pytest.raises(BadInputError, match=problem):
        AdvisoryModel(home).require_ready()


def test_every_reason_is_a_word_for_programs():
    assert len(set(NO_ADVICE_CODES)) == len(NO_ADVICE_CODES)
    assert all(code.replace("_", "").isalpha() for code in NO_ADVICE_CODES)
