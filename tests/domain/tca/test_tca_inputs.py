import math

import numpy as np
import pytest

from torghut_assets.domain.errors import StatisticsInputError
from torghut_assets.domain.tca import inputs
from torghut_assets.domain.tca.errors import NotANumberError, OutOfRangeError, ShapeMismatchError


@pytest.mark.parametrize("value", [None, True, "1.0", b"1", math.nan, math.inf, [1.0], object()])
def test_what_is_not_a_finite_number_is_refused(value):
    with pytest.raises(NotANumberError, match="here"):
        inputs.finite(value, "here")


@pytest.mark.parametrize("value", [np.float64(2.0), 2, np.int64(2), 2.0])
def test_numbers_of_every_kind_are_read(value):
    assert inputs.finite(value, "here") == 2.0


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5])
def test_a_probability_is_strictly_inside(value):
    with pytest.raises(OutOfRangeError):
        inputs.probability(value, "p")


@pytest.mark.parametrize("values", [["1", "2"], [1.0, None], [object()]])
def test_text_is_not_parsed_into_numbers(values):
    with pytest.raises(NotANumberError):
        inputs.vector(values, "x")


def test_the_error_names_the_first_bad_observation():
    with pytest.raises(NotANumberError) as caught:
        inputs.vector([1.0, math.nan, math.nan], "prices")
    assert caught.value.location == "prices[1]"
    with pytest.raises(OutOfRangeError) as caught:
        inputs.positive_vector([1.0, 0.0], "prices")
    assert caught.value.location == "prices[1]"


def test_tables_are_not_lists():
    with pytest.raises(ShapeMismatchError):
        inputs.vector([[1.0], [2.0]], "x")


def test_every_refusal_is_a_value_error_with_the_facts():
    with pytest.raises(StatisticsInputError) as caught:
        inputs.positive(-1.0, "price")
    assert isinstance(caught.value, ValueError)
    assert caught.value.exit_code == 4
    assert "price: found -1.0, expected a number above 0" in str(caught.value)


def test_counts_are_whole():
    assert inputs.count(3.0, "n") == 3
    with pytest.raises(OutOfRangeError):
        inputs.count(3.5, "n")
