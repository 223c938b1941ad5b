"""Questions about the machine: Python, packages, kernels, disk, clock."""

import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Final

from torghut_assets.resources.doctor.findings import Finding, Mark, Visit
from torghut_assets.version import __version__

_PYTHONS: Final = ((3, 11), (3, 14))
"""Half open, as in `pyproject.toml`."""
_DISTRIBUTION: Final = "torghut-assets"
_LOW_BYTES: Final = 1_000_000_000
_LOW_FRACTION: Final = 0.05
_EARLIEST_YEAR: Final = 2026
"""No evidence of this project is older: a clock before that is wrong."""
_PYTHON_TAG: Final = f"py{sys.version_info.major}{sys.version_info.minor}"
_KERNELS: Final = ("accounting_kernel", "lane_kernel")
_EXTRA: Final = re.compile(r"""extra == ['"]([a-z]+)['"]""")


def python(_: Visit) -> Iterator[Finding]:
    """Is this a Python that the project is tested with?"""
    found = f"{platform.python_version()} on {platform.machine()}, torghut {__version__}"
    if _PYTHONS[0] <= sys.version_info[:2] < _PYTHONS[1]:
        yield Finding("python", Mark.OK, found)
    else:
        yield Finding("python", Mark.ATTENTION, found, "Use Python 3.11 to 3.13: `make install`.")


def packages(_: Visit) -> Iterator[Finding]:
    """Are the packages there that the installation asks for, in versions that it asks for?"""
    try:
        required = metadata.requires(_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        yield Finding(
            "packages",
            Mark.ATTENTION,
            f"{_DISTRIBUTION} is not installed, its code runs from a folder",
            "Install it: `make install`, or `pip install torghut-assets`.",
        )
        return
    wrong = _unmet([line for line in required if not _EXTRA.search(line)])
    if wrong:
        yield Finding("packages", Mark.ATTENTION, "; ".join(wrong), "Install anew: `make install`.")
    else:
        yield Finding("packages", Mark.OK, f"{len(required)} requirements, those of the base met")
    extras = sorted({match[1] for line in required if (match := _EXTRA.search(line))} - {"dev"})
    for extra in extras:
        lines = [line for line in required if (match := _EXTRA.search(line)) and match[1] == extra]
        missing = _unmet(lines)
        if not missing:
            yield Finding(f"extra {extra}", Mark.OK, "installed")
        else:
            yield Finding(
                f"extra {extra}",
                Mark.ABSENT,
                "; ".join(missing),
                f"If you need it: pip install 'torghut-assets[{extra}]'",
            )


def _unmet(requirements: list[str]) -> list[str]:
    from packaging.requirements import Requirement

    wrong = []
    for line in requirements:
        requirement = Requirement(line.split(";")[0].strip())
        if requirement.name == _DISTRIBUTION:
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement.name} is missing")
            continue
        if not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} {version}, wanted {requirement.specifier}")
    return wrong


def kernels(_: Visit) -> Iterator[Finding]:
    """Are the simulation kernels compiled, for this code and this machine?"""
    from torghut_assets.domain import backtest

    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or Path(backtest.__path__[0]) / "__pycache__")
    missing = [name for name in _KERNELS if not any(folder.rglob(f"{name}.*.{_PYTHON_TAG}.nbi"))]
    if missing:
        yield Finding(
            "kernels",
            Mark.ATTENTION,
            f"not compiled: {', '.join(missing)}",
            "Run `torghut warm`; else the first evaluation compiles them, once.",
        )
    else:
        yield Finding("kernels", Mark.OK, f"compiled, in {folder}")


def disk(visit: Visit) -> Iterator[Finding]:
    """Is there space where the home is?"""
    folder = visit.home.root
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    found = f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.1f} at {folder}"
    if usage.free < max(_LOW_BYTES, _LOW_FRACTION * usage.total):
        yield Finding(
            "disk",
            Mark.ATTENTION,
            found,
            "Make space: `reports`, `cache` and `backups` of the home may go, evidence may not.",
        )
    else:
        yield Finding("disk", Mark.OK, found)


def clock(visit: Visit) -> Iterator[Finding]:
    """Is the time plausible, and not before that of anything the home recorded?"""
    if visit.now.year < _EARLIEST_YEAR:
        yield Finding("clock", Mark.ATTENTION, f"it is {visit.now}", "Set the clock: use NTP.")
        return
    yield Finding("clock", Mark.OK, f"{visit.now:%Y-%m-%dT%H:%M:%SZ}")
