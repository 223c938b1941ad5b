"""The frozen home of earlier code: evaluated, deployed and traded on paper for two sessions.

It is unpacked in a moment, so tests that need any home with evidence may use it, too.
"""

import json
import tarfile
from pathlib import Path

from torghut_assets.domain.backtest.trials import TrialAnchor
from torghut_assets.resources.home import Home
from torghut_assets.resources.home_format import mark_new

ARCHIVE = Path(__file__).parent / "golden" / "previous_home" / "home.tar.xz"
CANDIDATE, SNAPSHOT = "tsmom-megacaps-v1", "us-megacaps@2021-12-31"


def unpack(folder: Path) -> tuple[Home, dict]:
    """Return the home as it was, in a folder, and what its commands said."""
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    told = json.loads((folder / "told.json").read_text("utf-8"))
    return Home.at(folder / "home"), told


def unpack_as_of_today(folder: Path) -> Home:
    """Return the home with today's format, as if it had always been there.

    Nothing else differs between formats 0 and 1. The anchor of the trial register knows the file
    by its inode, which unpacking changes.
    """
    home, _ = unpack(folder)
    universes = home.universes_folder
    universes.rename(folder / "aside")  # only a home that nobody prepared is marked
    mark_new(home.root)
    (folder / "aside").rename(universes)
    anchor = TrialAnchor.from_canonical_bytes(
        home.trial_anchor_path.read_bytes(), location="anchor"
    )
    here = anchor.model_copy(update={"file_id": home.trial_register_path.stat().st_ino})
    home.trial_anchor_path.write_bytes(here.canonical_bytes())
    return home
