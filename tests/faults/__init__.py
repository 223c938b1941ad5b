"""Faults, seeded and repeatable: `python -m tests.faults --help`."""

import sys
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
for _folder in (TESTS, TESTS / "domain" / "gates", TESTS / "domain" / "evidence"):
    if str(_folder) not in sys.path:  # the examples that tests share are no package
        sys.path.append(str(_folder))
