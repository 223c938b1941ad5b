"""Every reference case passes, through the API that anyone can call."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from torghut_assets import reference_api
from torghut_assets.domain.statistics_verification import read_cases, verify_case

GOLDEN = Path(__file__).parent / "golden" / "statistics.json"
CASES = read_cases(GOLDEN.read_bytes(), location=GOLDEN.name)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.case_id)
def test_reference_case_passes(case):
    assert verify_case(case, reference_api.FUNCTIONS).problem == ""


def test_every_function_that_the_file_names_exists():
    named = set(json.loads(GOLDEN.read_bytes())["functions"])
    assert set(reference_api.FUNCTIONS) == named


def test_every_function_is_an_attribute_of_the_module():
    for name in reference_api.FUNCTIONS:
        assert getattr(reference_api, name) is reference_api.FUNCTIONS[name]


def test_an_unknown_name_is_no_attribute():
    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = reference_api.nothing_like_it


def test_importing_the_api_imports_no_heavy_library():
    heavy = ("scipy", "numba", "pandas", "dagster")
    code = (
        f"import sys, torghut_assets.reference_api; print([m for m in {heavy} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
