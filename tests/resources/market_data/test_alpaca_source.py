"""The real client of alpaca-py against a local server; without the extra, its absence."""

import builtins
import datetime as dt
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.snapshots.errors import SourceUnreadableError
from torghut_assets.domain.snapshots.universes import AlpacaSettings, Universe
from torghut_assets.resources.market_data.alpaca import AlpacaSource
from torghut_assets.resources.snapshot_writer import plan_window

SETTINGS = AlpacaSettings(kind="alpaca")
UNIVERSE = Universe(
    name="alpaca-test",
    title="Test",
    symbols=("AAPL", "MSFT"),
    frequency="1d",
    source=SETTINGS,
    caveats=("Made up for a test.",),
    start=dt.date(2021, 1, 4),
)
AS_OF = dt.date(2021, 1, 8)
WINDOW, _ = plan_window(UNIVERSE, AS_OF)
KEY, SECRET = "PKTESTKEYNEVERSHOWN", "secret-never-shown"


def test_without_the_extra_the_refusal_says_how_to_install_it(monkeypatch):
    real = builtins.__import__

    def without_alpaca(name, *args, **kwargs):
        if name.split(".")[0] == "alpaca":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_alpaca)
    with pytest.raises(BadInputError, match=r"pip install 'torghut-assets\[alpaca\]'"):
        AlpacaSource.from_environment(SETTINGS)


def test_the_description_binds_the_request_and_holds_no_key(monkeypatch):
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    described = AlpacaSource(SETTINGS, None).describe(WINDOW)
    later, _ = plan_window(UNIVERSE, dt.date(2021, 1, 7))
    assert described.digest != AlpacaSource(SETTINGS, None).describe(later).digest
    assert KEY not in described.model_dump_json()
    assert AlpacaSource(SETTINGS, None).bar_files() == ()


class BarsServer(BaseHTTPRequestHandler):
    """Alpaca's bars endpoint: two pages per request, one 429 first, or damage on demand."""

    behaviour = "good"
    seen: list = []  # noqa: RUF012 - reset by the fixture
    throttled = False

    def do_GET(self):
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        type(self).seen.append((url.path, query, dict(self.headers)))
        if self.behaviour == "good" and not type(self).throttled:
            type(self).throttled = True
            return self.answer(429, "{}")
        if self.behaviour == "bad json":
            return self.answer(200, '{"bars": {"AAPL": [')
        if self.behaviour == "forbidden":
            return self.answer(403, json.dumps({"code": 1, "message": f"no {SECRET}"}))
        if self.behaviour == "not bars":
            return self.answer(200, json.dumps({"bars": {"AAPL": [1, 2]}, "next_page_token": None}))
        if self.behaviour == "no field":
            bars = {"AAPL": [{"t": "2021-01-04T05:00:00Z", "o": 1}]}
            return self.answer(200, json.dumps({"bars": bars, "next_page_token": None}))
        if self.behaviour == "different" and query["adjustment"] == "all":
            return self.answer(200, json.dumps({"bars": {}, "next_page_token": None}))
        second = query.get("page_token") == "two"
        days = (7, 8) if second else (4, 5, 6)
        scale = 0.5 if query["adjustment"] == "all" else 1.0
        bars = [
            {
                "t": f"2021-01-{d:02}T05:00:00Z",
                "o": d,
                "h": d + 1,
                "l": d - 1,
                "c": d * scale,
                "v": 9,
            }
            for d in days
        ]
        body = {"bars": {query["symbols"]: bars}, "next_page_token": None if second else "two"}
        return self.answer(200, json.dumps(body))

    def answer(self, status, text):
        payload = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args):
        pass


@pytest.fixture
def served(monkeypatch):
    rest = pytest.importorskip("alpaca.common.rest")
    BarsServer.behaviour, BarsServer.seen, BarsServer.throttled = "good", [], False
    server = HTTPServer(("127.0.0.1", 0), BarsServer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("APCA_API_KEY_ID", KEY)
    monkeypatch.setenv("APCA_API_SECRET_KEY", SECRET)
    monkeypatch.setenv("APCA_API_DATA_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(rest.time, "sleep", lambda _: None)
    yield BarsServer
    server.shutdown()
    server.server_close()


def test_pages_are_joined_a_429_is_waited_out_and_days_get_their_session_date(served):
    batches = list(AlpacaSource.from_environment(SETTINGS).batches(WINDOW))
    assert [b.column("symbol")[0].as_py() for b in batches] == ["AAPL", "MSFT"]
    first = batches[0]
    assert [str(t.as_py()) for t in first.column("time")][::4] == [
        "2021-01-04 00:00:00+00:00",
        "2021-01-08 00:00:00+00:00",
    ]
    assert first.column("close").to_pylist() == [4.0, 5.0, 6.0, 7.0, 8.0]
    assert first.column("adjusted_close").to_pylist() == [2.0, 2.5, 3.0, 3.5, 4.0]
    path, query, headers = served.seen[0]
    assert path == "/v2/stocks/bars"
    assert (query["timeframe"], query["feed"], query["asof"]) == ("1Day", "iex", "2021-01-08")
    assert query["start"].startswith("2021-01-04T05:00:00")
    assert query["end"].startswith("2021-01-09T04:59:59")
    assert headers["APCA-API-KEY-ID"] == KEY
    assert served.throttled


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("bad json", "no valid answer"),
        ("forbidden", "HTTP status 403"),
        ("not bars", "not a list of bars"),
        ("no field", "a bar without"),
        ("different", "different times"),
    ],
)
def test_a_bad_answer_is_refused_without_showing_a_key(served, behaviour, words):
    served.behaviour = behaviour
    with pytest.raises(SourceUnreadableError, match=words) as refusal:
        list(AlpacaSource.from_environment(SETTINGS).batches(WINDOW))
    assert SECRET not in str(refusal.value)
    assert KEY not in str(refusal.value)


def test_a_service_that_is_away_is_refused(served, monkeypatch):
    monkeypatch.setenv("APCA_API_DATA_URL", "http://127.0.0.1:9")
    with pytest.raises(SourceUnreadableError, match="ConnectionError"):
        list(AlpacaSource.from_environment(SETTINGS).batches(WINDOW))


def test_missing_keys_are_named(served, monkeypatch):
    monkeypatch.delenv("APCA_API_SECRET_KEY")
    with pytest.raises(BadInputError, match="no APCA_API_SECRET_KEY in the environment"):
        AlpacaSource.from_environment(SETTINGS)
