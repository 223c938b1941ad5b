"""What a person sees in Dagster's user interface on this project: real server, real browser."""

import re
import time

import pytest

pytestmark = pytest.mark.heavy
screenshots = pytest.importorskip("screenshots", reason="needs the extra `docs`")
SESSIONS = 15
PATIENCE_SECONDS = 300


def shown(page, text: str) -> None:
    """Wait until a text is visible."""
    page.get_by_text(text, exact=True).first.wait_for(state="visible")


def columns_of(page, label: str) -> list[str]:
    """Return the head of the metadata table of a name."""
    head = entry(page, label).locator("table thead th")
    head.first.wait_for()
    return [text.strip() for text in head.all_inner_texts()]


def rows_of(page, label: str) -> list[list[str]]:
    """Return the cells of the metadata table of a name."""
    rows = entry(page, label).locator("table tbody tr")
    rows.first.wait_for()
    return [[text.strip() for text in row.locator("td").all_inner_texts()] for row in rows.all()]


def entry(page, label: str):
    """Return the row of the metadata list that a name stands in front of."""
    row = page.locator("tr", has=page.locator(f"xpath=./td[normalize-space()='{label}']")).first
    row.wait_for()
    return row


def test_the_asset_graph_shows_every_stage(page, address):
    page.goto(address + screenshots.graph())
    for stage in screenshots.STAGES:
        shown(page, stage)


def test_an_open_stage_shows_its_assets(page, address):
    page.goto(address + screenshots.graph("gate_policy_evaluation", "rollback_incident"))
    for asset in ("gate_report", "research_feedback", "rollback_plan", "incident_report"):
        shown(page, asset)


def test_the_partition_matrix_shows_who_traded_when(page, address):
    page.goto(f"{address}/assets/paper_orders?view=partitions")
    for name in (screenshots.TRADED, screenshots.ROLLED_BACK, screenshots.REFUSED, "2022-01-03"):
        shown(page, name)
    shown(page, f"Materialized ({2 * SESSIONS})")


@pytest.mark.parametrize(
    ("asset", "check", "status"),
    [
        ("strategy_build", "no_look_ahead", "Succeeded"),
        ("dataset_snapshot", "data_schema_validation", "Succeeded"),
        ("order_intents", "risk_guardrails", "Succeeded"),
        ("rollback_receipt", "read_back_matches", "Succeeded"),
    ],
)
def test_a_check_says_what_it_is_for_and_how_it_ended(asset, check, status, page, address):
    page.goto(f"{address}/assets/{asset}?view=checks")
    shown(page, check)
    page.get_by_text(check, exact=True).first.click()
    page.get_by_text(status).first.wait_for()
    about = page.get_by_text("About", exact=True)
    about.first.wait_for()
    assert page.get_by_text("No description").count() == 0


@pytest.mark.parametrize(
    ("asset", "candidate", "other"),
    [
        ("backtest_metrics", screenshots.TRADED, screenshots.SNAPSHOT),
        ("overfit_diagnostics", screenshots.REFUSED, screenshots.SNAPSHOT),
    ],
)
def test_a_plot_is_drawn(asset, candidate, other, page, address):
    page.goto(address + screenshots.partition(asset, candidate, other))
    page.get_by_text("[Show Markdown]").first.click()
    picture = page.locator("img[src^='data:image/png;base64,']").first
    picture.wait_for(state="visible")
    width, height = picture.evaluate("img => [img.naturalWidth, img.naturalHeight]")
    assert width > 400
    assert height > 200


def test_a_refusal_says_why_at_the_top(page, address):
    page.goto(address + screenshots.partition("gate_report", screenshots.REFUSED))
    assert columns_of(page, "limits")[:4] == ["status", "limit", "measured", "allowed"]
    rows = rows_of(page, "limits")
    assert len(rows) >= 36
    assert rows[0][0] == "LIMIT_BREACHED"
    assert rows[0][1] == "out_of_sample_sharpe"
    assert rows[-1][0] == "PASSED"


def test_paper_orders_can_be_read(page, address):
    page.goto(
        address
        + screenshots.partition("paper_orders", screenshots.TRADED, screenshots.LAST_SESSION)
    )
    assert columns_of(page, "orders") == ["symbol", "side", "quantity", "status", "reason", "key"]
    for symbol, side, quantity, status, _, key in rows_of(page, "orders"):
        assert symbol in {"AAPL", "AMZN", "GOOG", "META", "NFLX", "NVDA"}
        assert side in {"buy", "sell"}
        assert float(quantity) > 0
        assert status == "submitted"
        assert re.fullmatch("[0-9a-f]{16}", key)


def test_costs_can_be_read(page, address):
    page.goto(
        address + screenshots.partition("paper_tca", screenshots.TRADED, screenshots.LAST_SESSION)
    )
    assert columns_of(page, "per_order")[:3] == ["symbol", "side", "status"]
    assert columns_of(page, "summary_bps") == [
        *("of", "metric", "orders", "mean", "mean_from", "mean_to", "p50", "p95")
    ]
    summary = rows_of(page, "summary_bps")
    assert [row[0] for row in summary[:3]] == ["all"] * 3
    assert not any(re.search("[0-9a-f]{12}", row[0]) for row in summary), "a digest is no name"
    for name in ("per_order", "summary_bps"):
        table, pane = entry(page, name).locator("table").first, page.viewport_size
        box = table.bounding_box()
        assert box is not None
        assert box["x"] + box["width"] <= pane["width"], f"{name} is wider than the window"


def test_the_drift_says_what_failed_first(page, address):
    where = screenshots.partition("drift_report", screenshots.ROLLED_BACK, screenshots.LAST_SESSION)
    page.goto(address + where)
    rows = rows_of(page, "readings")
    assert rows[0][:2] == ["fail", "cusum_probability"]


def test_the_rollback_is_visible(page, address):
    for asset, wanted in (("rollback_receipt", "restored"), ("incident_report", "C")):
        page.goto(
            address
            + screenshots.partition(asset, screenshots.ROLLED_BACK, screenshots.LAST_SESSION)
        )
        shown(page, wanted)
    page.goto(f"{address}/assets/rollback_receipt?view=partitions")
    shown(page, "Materialized (1)")


def test_a_sensor_is_described_and_can_be_switched(page, address, demo_home):
    page.goto(f"{address}/automation")
    shown(page, "session_advance")
    page.goto(f"{address}/locations/torghut_assets.definitions/sensors/session_advance")
    page.get_by_text("Request the next session of every deployed candidate").first.wait_for()
    cell = page.locator("xpath=//tr[td[1][normalize-space()='Running']]/td[2]")
    cell.wait_for()
    assert state_of(demo_home, "session_advance") in {None, "DECLARED_IN_CODE"}
    for wanted in ("STOPPED", "RUNNING"):
        box = cell.bounding_box()
        assert box is not None
        cell.click(position={"x": 26, "y": box["height"] / 2})
        await_state(demo_home, "session_advance", wanted)
        page.wait_for_timeout(3_000)


def state_of(home, sensor: str) -> str | None:
    """Return what the instance says of a sensor; `None` if nobody ever switched it."""
    from torghut_assets.cli.instance import instance_of
    from torghut_assets.resources.home import Home

    with instance_of(Home.at(home)) as instance:
        found = [s for s in instance.all_instigator_state() if s.origin.instigator_name == sensor]
    return found[0].status.value if found else None


def await_state(home, sensor: str, wanted: str) -> None:
    """Wait until the instance says so."""
    end = time.monotonic() + PATIENCE_SECONDS
    while (found := state_of(home, sensor)) != wanted:
        assert time.monotonic() < end, f"{sensor} is {found}, not {wanted}"
        time.sleep(1)
