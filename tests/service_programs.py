"""Where the programs are that team mode needs, and what a test does without one."""

import os
import shutil

import pytest

_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def program(name: str) -> str:
    """Return the path of an installed program; skip the test without it, fail in CI.

    CI installs all of them (`make services`), so that there a missing one is a defect.
    """
    found = shutil.which(name, path=_PLACES)
    if found is None:
        missing = f"{name} is not installed here; `make services` installs it"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    return found
