"""Questions about the home: format, permissions, keys, artifact store."""

import os
import stat
import time
from collections.abc import Iterator
from typing import Final

from torghut_assets.domain.errors import BadInputError, TorghutError
from torghut_assets.resources.doctor.findings import Finding, Mark, Visit
from torghut_assets.resources.home_format import FORMAT, format_of
from torghut_assets.resources.key_ring import PASSPHRASE_VARIABLE
from torghut_assets.resources.ledger_place import LEDGER_URL

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_PROBED: Final = 64
"""How many artifacts are read at most; `torghut audit reconcile` reads all."""
_PROBE_SECONDS: Final = 5.0


def home(visit: Visit) -> Iterator[Finding]:
    """Is there a home, of today's format, that this account may write to?"""
    root = visit.home.root
    try:
        found = format_of(root)
    except BadInputError as error:
        yield Finding("home", Mark.ATTENTION, str(error), "See docs/upgrading.md.")
        return
    if found is None:
        yield Finding(
            "home", Mark.ABSENT, f"{root}: nobody has worked here", "Start with `torghut demo`."
        )
        return
    if found < FORMAT:
        yield Finding(
            "home",
            Mark.ATTENTION,
            f"{root}: format {found}, this code works on {FORMAT}",
            "Stop the daemon, then run `torghut migrate`.",
        )
    elif found > FORMAT:
        yield Finding(
            "home",
            Mark.ATTENTION,
            f"{root}: format {found}, this code works on {FORMAT}",
            "Install the release that made it, or name another home in TORGHUT_HOME.",
        )
    else:
        yield Finding("home", Mark.OK, f"{root}, format {found}")
    closed = [
        str(folder)
        for folder in (root, root / "store", root / "ledger", visit.home.dagster_home)
        if folder.is_dir() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    ]
    if closed:
        yield Finding(
            "permissions",
            Mark.ATTENTION,
            f"cannot read and write {', '.join(closed)}",
            "Give them to the account that runs torghut, or run it as their owner.",
        )


def keys(visit: Visit) -> Iterator[Finding]:
    """Can nobody else read the private keys?"""
    folder = visit.home.keys_folder
    files = sorted(folder.glob("*.pem")) if folder.is_dir() else []
    if not files:
        yield Finding("keys", Mark.ABSENT, "none yet; the first run makes those of this machine")
        return
    try:
        loose = [f for f in files if f.stat().st_mode & _OTHERS]
        foreign = [f for f in files if f.stat().st_uid not in {os.geteuid(), 0}]
    except OSError as error:
        yield Finding("keys", Mark.ATTENTION, f"{folder}: {error.strerror}", "Correct its owner.")
        return
    for path in loose:
        yield Finding(
            "keys",
            Mark.ATTENTION,
            f"{path.name} can be read by others",
            f"chmod 600 {path}; if others could log in, revoke it: `torghut keys revoke`.",
        )
    for path in foreign:
        yield Finding(
            "keys", Mark.ATTENTION, f"{path.name} belongs to another account", f"chown {path}"
        )
    if not loose and not foreign:
        yield Finding("keys", Mark.OK, f"{len(files)} private keys, readable by their owner only")


def store(visit: Visit) -> Iterator[Finding]:
    """Can the artifact store be reached, and are some artifacts what their names say?"""
    place = visit.home.store
    try:
        size = place.size()
        altered, probed, deadline = [], 0, time.monotonic() + _PROBE_SECONDS
        for digest in place.digests():
            if probed >= _PROBED or time.monotonic() > deadline:
                break
            probed += 1
            if not place.is_intact(digest):
                altered.append(digest)
    except (TorghutError, OSError) as error:
        yield Finding("artifacts", Mark.ATTENTION, str(error), "See docs/upgrading.md and the log.")
        return
    if altered:
        yield Finding(
            "artifacts",
            Mark.BROKEN,
            f"{len(altered)} of {probed} that were read are altered, first {altered[0]}",
            "Run `torghut audit reconcile`, restore from a backup: docs/runbooks/recovery.md.",
        )
        return
    found = f"{size.artifacts:,} in {place.location}, {size.size_bytes / 1e6:,.1f} MB"
    yield Finding("artifacts", Mark.OK, f"{found}; {probed} read, intact")


def secrets(_: Visit) -> Iterator[Finding]:
    """Are credentials given in a way that others cannot see?"""
    present = [
        name
        for name in (
            LEDGER_URL,
            PASSPHRASE_VARIABLE,
            "APCA_API_SECRET_KEY",
            "AWS_SECRET_ACCESS_KEY",
        )
        if os.environ.get(name)
    ]
    yield Finding("secrets", Mark.OK, f"in the environment: {', '.join(present) or 'none'}")
