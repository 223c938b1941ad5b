"""Take the pictures in docs/screenshots from the real user interface.

Runs the demo in a throwaway home, opens `dagster dev` on it and lets a headless browser look.
Needs the packages playwright and pillow and a Chromium on the path:

    python docs/screenshots.py
"""

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
from playwright.sync_api import Page, sync_playwright

ROOT: Final = Path(__file__).resolve().parent.parent
FOLDER: Final = ROOT / "docs" / "screenshots"
BIN: Final = ROOT / ".venv" / "bin"
MOST_BYTES: Final = 200_000
_SNAPSHOT: Final = "us-megacaps@2021-12-31"
_BROWSER: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")
_START_SECONDS: Final = 90
_SETTLE_MILLISECONDS: Final = 4_000
_OPEN_GROUPS: Final = ",".join(
    f"global@global:{group}"
    for group in (
        "backtest_robustness",
        "gate_policy_evaluation",
    )
)


class Shot(NamedTuple):
    """One picture: where to look, what must be there, what to click, how high it is."""

    name: str
    path: str
    wait_for: str
    click: str = ""
    width: int = 1440
    height: int = 900


def evaluation(asset: str, candidate: str) -> str:
    """Return the address of one evaluation's partition of an asset."""
    key = urllib.parse.quote(f"{candidate}|{_SNAPSHOT}")
    return f"/assets/{asset}?view=partitions&partition={key}"


_METRICS: Final = evaluation("backtest_metrics", "tsmom-megacaps-v1")
SHOTS: Final = (
    Shot(
        "asset-graph",
        "/asset-groups?expanded=" + _OPEN_GROUPS,
        "gate_report",
        width=1700,
        height=1000,
    ),
    Shot("equity", _METRICS, "folds", click="[Show Markdown]"),
    Shot("backtest-metrics", _METRICS, "folds", width=1900, height=1300),
    Shot(
        "gate-report",
        evaluation("gate_report", "calendar-overfit-v1"),
        "limits",
        width=1900,
        height=1300,
    ),
    Shot("partitions", "/assets/gate_report?view=partitions", "calendar-overfit-v1"),
    Shot("checks", "/assets/strategy_build?view=checks", "no_look_ahead"),
)


@contextmanager
def user_interface(home: Path) -> Iterator[str]:
    """Serve the home; give the address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "TORGHUT_HOME": str(home),
        "DAGSTER_HOME": str(home / "dagster"),
    }
    module = ("-m", "torghut_assets.definitions", "--log-level", "warning")
    command = [BIN / "dagster", "dev", "--port", str(port), *module]
    with subprocess.Popen(command, cwd=home, env=environment) as server:
        address = f"http://127.0.0.1:{port}"
        try:
            _wait_for(f"{address}/server_info")
            yield address
        finally:
            server.terminate()


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
    page.goto(address + shot.path)
    page.get_by_text(shot.wait_for, exact=True).first.wait_for(timeout=60_000)
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


def main() -> None:
    """Take every picture, or those named as arguments."""
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        environment = {**os.environ, "TORGHUT_HOME": str(home)}
        subprocess.run([BIN / "torghut", "demo"], check=True, env=environment)
        with user_interface(home) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=[*_BROWSER])
            page = browser.new_page(device_scale_factor=1)
            for shot in SHOTS:
                if len(sys.argv) == 1 or shot.name in sys.argv[1:]:
                    target = take(page, address, shot)
                    print(f"{target.relative_to(ROOT)}: {target.stat().st_size} bytes")
            browser.close()


if __name__ == "__main__":
    main()
