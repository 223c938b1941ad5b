"""The bar panel and the parameter base: shapes, views and narrowing."""

import numpy as np
import pytest
from pydantic import ValidationError

from torghut_assets.domain.candidates.panels import examination_panels
from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel, StrategyParameters
from torghut_assets.domain.errors import BadInputError
from torghut_assets.strategies.calendar_pattern_v1 import CalendarPatternParameters
from torghut_assets.strategies.mean_reversion_v1 import MeanReversionParameters

BARS = examination_panels(3)[0].bars


def test_fields_must_have_one_shape():
    fields = {name: getattr(BARS, name) for name in FEATURES}
    with pytest.raises(BadInputError, match="bar panel field low"):
        BarPanel(times=BARS.times, symbols=BARS.symbols, **{**fields, "low": BARS.low[1:]})


def test_until_is_what_was_known_then():
    cut = BARS.until(7)
    assert (cut.n_bars, cut.n_symbols) == (7, BARS.n_symbols)
    assert cut.times[-1] == BARS.times[6]
    assert np.array_equal(cut.volume, BARS.volume[:7])


def test_read_only_views_refuse_writing_and_leave_the_original_writable():
    view = BARS.read_only()
    for name in ("times", *FEATURES):
        with pytest.raises(ValueError, match="read-only"):
            getattr(view, name)[0] = getattr(view, name)[1]
        assert getattr(BARS, name).flags.writeable


def test_with_fields_replaces_only_what_is_named():
    other = BARS.with_fields({"volume": BARS.volume * 2})
    assert np.array_equal(other.volume, BARS.volume * 2)
    assert all(getattr(other, name) is getattr(BARS, name) for name in FEATURES[:-1])


def test_parameters_are_narrowed_to_their_own_class():
    own = MeanReversionParameters()
    assert MeanReversionParameters.of(own) is own
    with pytest.raises(BadInputError, match="found CalendarPatternParameters"):
        MeanReversionParameters.of(CalendarPatternParameters())


def test_parameters_are_frozen():
    parameters = MeanReversionParameters()
    assert isinstance(parameters, StrategyParameters)
    with pytest.raises(ValidationError, match="frozen"):
        parameters.horizon_bars = 7
