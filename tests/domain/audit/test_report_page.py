"""The report page: one file, sound structure, no wider than its window, and it asks for nothing."""

import html.parser
import re
import sys
from pathlib import Path

import pytest
import ramp_examples as ramp
from service_programs import program

sys.path.append(str(Path(__file__).parents[1] / "gates"))

import gate_evidence
import paper_gate_examples as gate_3

from torghut_assets.domain.audit.manifest import HeldRecord
from torghut_assets.domain.audit.page import render_page
from torghut_assets.domain.audit.page_evidence import PageEvidence
from torghut_assets.domain.audit.page_pictures import Bar, bar_picture
from torghut_assets.domain.audit.page_style import STYLE
from torghut_assets.domain.gates.evaluate import evaluate_gates
from torghut_assets.domain.ramp.evaluate import judge_readiness, ramp_stage
from torghut_assets.domain.ramp.evidence import RampCase
from torghut_assets.domain.ramp.request import ramp_request

HOSTILE = '<script>alert("x")</script>'


def evidence(refused=False):
    """Everything that a page can show: gates, ramp, drift, luck, a path."""
    given = gate_evidence.passing()
    if refused:
        given = gate_evidence.changed(given, "overfit_diagnostics.dsr", 0.1)
    report = evaluate_gates(given, gate_evidence.POLICY, code_version=HOSTILE)
    on_the_ramp = ramp.evidence()
    request, refusals = ramp_request(on_the_ramp, ramp.POLICY, ramp.STAGE)
    case = RampCase(on_the_ramp, request, refusals)
    gates = judge_readiness(case, ramp.POLICY)
    held = {
        "gate_report": report,
        "overfit_diagnostics": given.overfit_diagnostics,
        "backtest_metrics": given.backtest_metrics,
        "candidate_spec": given.candidate_spec,
        "paper_gate_report": gate_3.decide(gate_3.passing(8), gate_3.quick()),
        "drift_report": ramp.drift_report(ramp.SESSION, 2.0),
        "ramp_stage_1": ramp_stage(case, ramp.POLICY, ramp.STAGE, gates, None),
    }
    return PageEvidence(
        subject={"candidate": given.candidate_id, "snapshot": given.snapshot_id, "session": None},
        held=tuple(
            HeldRecord(asset=name, partition="x", digest=record.digest)
            for name, record in held.items()
        ),
        records={record.digest: plain(record) for record in held.values()},
        receipts=(),
        entries=(),
        trials=(),
        path={
            given.backtest_metrics.path_frame_digest: tuple(
                (f"2020-01-{day:02d}", 0.01 if day % 3 else -0.02) for day in range(1, 31)
            )
        },
    )


def plain(record):
    import json

    return json.loads(record.canonical_bytes())


class Outline(html.parser.HTMLParser):
    """What a reader without eyes gets of a page."""

    VOID = frozenset({"meta", "line", "rect", "polyline", "path"})

    def __init__(self, page):
        super().__init__()
        self.open, self.tags, self.headings, self.text = [], [], [], []
        self.feed(page)
        assert self.open == [], "every element is closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), tuple(self.open)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs), tuple(self.open)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and re.fullmatch("h[1-6]", self.open[-1]):
            self.headings.append((self.open[-1], data))

    def all(self, tag):
        return [(attrs, above) for name, attrs, above in self.tags if name == tag]


@pytest.fixture(scope="module")
def page():
    return render_page(evidence())


def test_it_has_one_language_one_title_one_main_and_headings_without_a_step_left_out(page):
    outline = Outline(page)
    assert outline.all("html")[0][0]["lang"] == "en"
    for landmark in ("title", "main", "header", "nav", "footer", "h1"):
        assert len(outline.all(landmark)) == 1, landmark
    assert [h for h, _ in outline.headings] == ["h1"] + ["h2"] * 10
    named = {attrs["id"] for attrs, _ in outline.all("h2")}
    assert {attrs["aria-labelledby"] for attrs, _ in outline.all("section")} == named
    links = {attrs["href"].removeprefix("#") for attrs, _ in outline.all("a")}
    assert links == named, "every section has a link, and every link leads to one"
    assert outline.all("nav")[0][0]["aria-label"]


def test_every_table_has_a_caption_and_its_headings_say_what_they_head(page):
    outline = Outline(page)
    assert len(outline.all("table")) == len(outline.all("caption")) > 6
    for attrs, above in outline.all("th"):
        assert attrs["scope"] == ("row" if "tbody" in above else "col")
    for attrs, _ in outline.all("div"):
        if attrs.get("class") == "scroll":  # reached by keyboard, and named
            assert (attrs["role"], attrs["tabindex"], bool(attrs["aria-label"])) == (
                "region",
                "0",
                True,
            )


def test_every_drawing_has_words_or_is_beside_the_number_it_shows(page):
    outline = Outline(page)
    drawings = outline.all("svg")
    assert len(drawings) >= 6
    for attrs, above in drawings:
        if attrs.get("aria-hidden") == "true":
            assert "td" in above
        else:
            assert attrs["role"] == "img"
            assert len(attrs["aria-label"]) > 20
    assert not outline.all("text"), "words are text of the page"
    chain = next(attrs for attrs, _ in outline.all("ol"))
    assert chain["aria-label"]
    assert page.count("missing</code>") == page.count("class=missing") > 0


def test_it_shows_what_was_asked_for(page):
    for words in (
        "Gates on",
        "Paper gate after",
        "Ramp after",
        "Drift after",
        "Trials behind the result",
        "gate4_operational_readiness",
        "Drawdown from the highest equity",
        "Probability of overfitting (PBO)",
        "Sensitivity over",
        "No signed approval",
        "What is missing",
    ):
        assert words in page, words


def test_what_is_no_pass_never_looks_like_one():
    page = render_page(evidence(refused=True))
    assert '<div class="verdict failed">' in page
    assert '<span class="fail">LIMIT BREACHED</span>' in page
    for kind, word in re.findall(r'<span class="(\w+)">([^<]+)</span>', page):
        assert (kind == "pass") == (word.lower() in ("pass", "passed"))


def test_a_negative_value_is_drawn_to_the_left_of_zero():
    drawn = bar_picture("c", [Bar("up", 2.0), Bar("down", -1.0, 1.0, "at least")])
    boxes = re.findall(r'<rect class="bar" x="([\d.]+)" y="3" width="([\d.]+)"', drawn)
    zero = float(re.findall(r'class="zero" x1="([\d.]+)"', drawn)[0])
    (up, up_width), (down, down_width) = [(float(x), float(w)) for x, w in boxes]
    assert up == pytest.approx(zero)
    assert down + down_width == pytest.approx(zero)
    assert up_width == pytest.approx(2 * down_width, abs=0.2)
    assert "at least 1" in drawn


def test_what_a_record_says_is_never_markup(page):
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page


def test_the_same_evidence_gives_the_same_page(page):
    assert render_page(evidence()) == page


def luminance(colour):
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_has_a_contrast_of_at_least_4_5_to_1_in_every_scheme():
    """The contrast ratio of WCAG 2.2, success criterion 1.4.3."""
    schemes = re.findall(r":root\{([^}]*--page:[^}]*)\}", STYLE)
    assert len(schemes) == 3, "light, dark, print"
    for scheme in schemes:
        found = dict(re.findall(r"--(\w+):(#[0-9a-f]{3,6})", scheme))
        full = {
            k: v if len(v) == 7 else "#" + "".join(c * 2 for c in v[1:]) for k, v in found.items()
        }
        for name in ("ink", "soft", "good", "bad", "mark"):
            pair = sorted((luminance(full[name]), luminance(full["page"])))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, (name, scheme)


def test_it_fits_every_window_and_asks_for_nothing(page, tmp_path):
    """Rendered by a real browser, light and dark, narrow and wide."""
    sync_api = pytest.importorskip("playwright.sync_api")
    file = tmp_path / "report.html"
    file.write_text(page, "utf-8")
    asked = []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            window = browser.new_page()
            window.on("request", lambda request: asked.append(request.url))
            window.on("console", lambda message: asked.append(message.text))
            window.goto(file.as_uri())
            for scheme in ("light", "dark"):
                window.emulate_media(color_scheme=scheme)
                for width in (320, 400, 1280):
                    window.set_viewport_size({"width": width, "height": 900})
                    wide = window.evaluate("document.documentElement.scrollWidth")
                    assert wide <= width, (scheme, width)
            window.keyboard.press("Tab")
            first = window.evaluate("document.activeElement.textContent")
            assert first == "Skip to the decision"
            window.emulate_media(media="print", color_scheme="dark")
            paper = window.evaluate("getComputedStyle(document.body).backgroundColor")
            assert paper == "rgb(255, 255, 255)", "nobody prints black pages"
        finally:
            browser.close()
    assert asked == [file.as_uri()]
