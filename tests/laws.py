"""How many cases a law is tried with: a tenth in the default suite, all in `make test-laws`."""

import os
from typing import Any

import pytest
from hypothesis import settings

ALL_CASES = bool(os.environ.get("TORGHUT_ALL_CASES"))


def law(cases: int, **options: Any):
    """Mark a property as a law that is published with this number of cases."""

    def decorate(test):
        examples = cases if ALL_CASES else cases // 10
        return pytest.mark.law(settings(max_examples=examples, deadline=None, **options)(test))

    return decorate
