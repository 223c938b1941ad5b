"""Make the frozen home of a release, with what its commands say about it.

Run it with the wheel of that release, once, when it is released, outside of any checkout (a
checkout in the working directory would be imported instead):

    python -m zipfile -e torghut_assets-VERSION.whl INSTALLED
    PYTHONPATH=INSTALLED PATH/TO/.venv/bin/python PATH/TO/make.py FOLDER CANDIDATES

where CANDIDATES is the release's folder of example candidates.

`FOLDER/home.tar.xz` then holds `home/` (one candidate through its gate and two paper sessions) and
`told.json` (exit status and standard output of read-only commands). The private keys in it are of
this home only and protect nothing. The archive here was made by commit cc20e23, before homes said
their format (version 0.1.0, no release yet).
"""

import contextlib
import io
import json
import os
import sys
import tarfile
from pathlib import Path

CANDIDATE, SNAPSHOT = "tsmom-megacaps-v1", "us-megacaps@2021-12-31"
SESSIONS = ("2022-01-03", "2022-01-04")
MADE_BY = (
    f"candidate add {{candidates}}/{CANDIDATE}.yaml",
    "snapshot take us-megacaps --as-of 2021-12-31",
    f"run {CANDIDATE} --snapshot {SNAPSHOT}",
    *(f"session run {CANDIDATE} --session {day}" for day in SESSIONS),
)
ASKED = (
    "audit coverage --json",
    "audit reconcile --json",
    f"audit show {CANDIDATE} --session {SESSIONS[-1]} --json",
    f"audit show {CANDIDATE} --snapshot {SNAPSHOT} --json",
    "candidate list",
    f"candidate show {CANDIDATE}",
    "keys list",
    "kill status",
    "ledger head",
    "ledger verify --json",
    f"ramp status {CANDIDATE}",
    f"report {CANDIDATE} --snapshot {SNAPSHOT}",
    "snapshot list",
    f"stage history {CANDIDATE} --json",
    f"stage status {CANDIDATE}",
    f"tca report {CANDIDATE} --json",
    f"trials count {CANDIDATE}",
    "trials list",
)


def told(command: str) -> dict:
    """Exit status and standard output of a command, run in this process."""
    from torghut_assets.cli.main import main as torghut

    out, code = io.StringIO(), 0
    sys.argv = ["torghut", *command.split()]
    with contextlib.redirect_stdout(out):
        try:
            torghut()
        except SystemExit as end:
            code = int(end.code or 0)
    print(code, command)
    return {"exit": code, "stdout": out.getvalue().replace(os.environ["TORGHUT_HOME"], "{home}")}


def main(folder: Path, candidates: Path) -> None:
    """Make, ask and pack."""
    os.environ.update(TORGHUT_HOME=str(folder / "home"), COLUMNS="80", NO_COLOR="1")
    for command in MADE_BY:
        told(command.format(candidates=candidates))
    (folder / "told.json").write_text(json.dumps({c: told(c) for c in ASKED}, indent=1))
    with tarfile.open(folder / "home.tar.xz", "w:xz", preset=9) as archive:
        for name in ("home", "told.json"):
            archive.add(folder / name, arcname=name, filter=_anonymous)


def _anonymous(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if member.name.startswith(("home/index", "home/cache")) else member


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
