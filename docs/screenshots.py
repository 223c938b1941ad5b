"""Take the pictures in docs/screenshots from the real user interface.

Runs the demo in a throwaway home, opens the web server on it and lets a headless browser look.
Needs the packages of the extra `docs` and a Chromium on the path:

    python docs/screenshots.py [--home FOLDER] [NAME ...]

Without names every picture is taken; with a home, what the demo left there is looked at.
`tests/browser` opens the same pages and tries what a picture cannot show.
"""

import argparse
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs" / "screenshots"
BIN: Final = ROOT / ".venv" / "bin"
MOST_BYTES: Final = 200_000
SNAPSHOT: Final = "us-megacaps@2021-12-31"
REFUSED: Final = "calendar-overfit-v1"
TRADED: Final = "tsmom-megacaps-v1"
ROLLED_BACK: Final = "slow-trend-megacaps-v1"
LAST_SESSION: Final = "2022-01-24"
_BROWSER: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_START_SECONDS: Final = 180
_SETTLE_MILLISECONDS: Final = 4_000
STAGES: Final = (
    "research_intake",
    "candidate_build",
    "backtest_robustness",
    "gate_policy_evaluation",
    "shadow_paper_deployment",
    "live_ramp_stage_1",
    "live_ramp_stage_2_plus",
    "continuous_monitoring",
    "rollback_incident",
)


class Shot(NamedTuple):
    """One picture: where to look, what must be there, what to click, how high it is."""

    name: str
    path: str
    wait_for: str
    click: str = ""
    width: int = 1440
    height: int = 900


def partition(asset: str, candidate: str, other: str = SNAPSHOT) -> str:
    """Return the address of one partition of an asset: of an evaluation, or of a session."""
    key = urllib.parse.quote(f"{candidate}|{other}")
    return f"/assets/{asset}?view=partitions&partition={key}"


def graph(*groups: str) -> str:
    """Return the address of the asset graph with some groups open."""
    opened = ",".join(f"global@global:{group}" for group in groups)
    return f"/asset-groups?expanded={opened}"


_METRICS: Final = partition("backtest_metrics", TRADED)
SHOTS: Final = (
    Shot(
        "asset-graph",
        graph("backtest_robustness", "gate_policy_evaluation"),
        "gate_report",
        width=1700,
        height=1000,
    ),
    Shot("stages", graph(), "rollback_incident", width=1700),
    Shot("equity", _METRICS, "folds", click="[Show Markdown]"),
    Shot("backtest-metrics", _METRICS, "folds", width=1900, height=1300),
    Shot("gate-report", partition("gate_report", REFUSED), "limits", width=1900, height=1300),
    Shot("partitions", "/assets/gate_report?view=partitions", REFUSED),
    Shot("checks", "/assets/strategy_build?view=checks", "no_look_ahead"),
    Shot("paper-orders", partition("paper_orders", TRADED, LAST_SESSION), "orders", width=1700),
    Shot(
        "paper-tca",
        partition("paper_tca", TRADED, LAST_SESSION),
        "per_order",
        width=1900,
        height=1300,
    ),
    Shot(
        "drift-report",
        partition("drift_report", ROLLED_BACK, LAST_SESSION),
        "readings",
        width=1900,
        height=1300,
    ),
    Shot("rollback", partition("rollback_receipt", ROLLED_BACK, LAST_SESSION), "state", width=1700),
    Shot(
        "incident",
        partition("incident_report", ROLLED_BACK, LAST_SESSION),
        "timeline",
        width=1900,
        height=1200,
    ),
    Shot("sensors", "/automation", "drift_rollback"),
)


@contextmanager
def user_interface(home: Path) -> Iterator[str]:
    """Serve the home and give the address; no daemon runs, so no sensor changes what is seen."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "TORGHUT_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
    }
    module = ("-m", "torghut_assets.definitions")
    quiet = ("--log-level", "warning")
    command = [BIN / "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), *module, *quiet]
    with subprocess.Popen(command, cwd=home, env=environment) as server:
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(f"{address}/server_info")
            yield address
        finally:
            server.terminate()
            server.wait(timeout=60)


def _wait_for(address: str) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(address, timeout=5).close()
        except (urllib.error.URLError, OSError):
            time.sleep(1)
        else:
            return
    sys.exit(f"{address} did not answer within {_START_SECONDS} s")


def take(page: Page, address: str, shot: Shot) -> Path:
    """Open a page, wait until it shows what is expected, and keep a small picture."""
    page.set_viewport_size({"width": shot.width, "height": shot.height})
    page.goto(address + shot.path, timeout=180_000)
    page.get_by_text(shot.wait_for, exact=True).first.wait_for(timeout=180_000)
    if shot.click:
        page.get_by_text(shot.click).first.click()
    page.wait_for_timeout(_SETTLE_MILLISECONDS)
    image = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    target = FOLDER / f"{shot.name}.png"
    for colours in (256, 128, 64, 32):
        image.quantize(colours, dither=Image.Dither.NONE).save(target, optimize=True)
        if target.stat().st_size <= MOST_BYTES:
            break
    return target


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """Open a headless browser."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        sys.exit("chromium is not on the path; `make services` installs it")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*_BROWSER])
        try:
            yield browser
        finally:
            browser.close()


def take_all(home: Path, names: list[str]) -> None:
    """Take the pictures that are named, or all."""
    with user_interface(home) as address, opened_browser() as browser:
        page = browser.new_page(device_scale_factor=1)
        for shot in SHOTS:
            if not names or shot.name in names:
                target = take(page, address, shot)
                print(f"{target.relative_to(ROOT)}: {target.stat().st_size} bytes")


def main() -> None:
    """Take every picture, or those named as arguments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, help="a home in which the demo was run")
    parser.add_argument("names", nargs="*", help="pictures to take")
    asked = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if asked.home:
        take_all(asked.home.resolve(), asked.names)
        return
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "TORGHUT_HOME": folder}
        subprocess.run([BIN / "torghut", "demo"], check=True, env=environment)
        take_all(Path(folder), asked.names)


if __name__ == "__main__":
    main()
