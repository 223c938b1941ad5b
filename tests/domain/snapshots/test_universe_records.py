import pytest

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import parse_record
from torghut_assets.domain.snapshots.universes import Universe, merge_universes

GOOD = {
    "name": "my-shares",
    "title": "My shares",
    "symbols": ["MSFT", "BRK.B", "AAPL"],
    "frequency": "1d",
    "source": {"kind": "folder", "path": "bars", "title": "My bars", "licence": "mine"},
    "caveats": ["Chosen in hindsight."],
}


def parsed(**changes):
    return parse_record(Universe, {**GOOD, **changes}, location="u.yaml")


def test_symbols_are_sorted_and_defaults_are_stated():
    universe = parsed()
    assert universe.symbols == ("AAPL", "BRK.B", "MSFT")
    assert (universe.calendar, universe.start, universe.max_staleness_sessions) == ("XNYS", None, 5)


@pytest.mark.parametrize(
    "changes",
    [
        {"symbols": []},
        {"symbols": ["AAPL", "AAPL"]},
        {"symbols": ["../etc"]},
        {"symbols": ["aapl"]},
        {"symbols": ["A..B"]},
        {"symbols": ["AAPL\n"]},
        {"name": "../up"},
        {"name": "X"},
        {"frequency": "5m"},
        {"calendar": "xnys; drop"},
        {"caveats": []},
        {"start": "yesterday"},
        {"max_staleness_sessions": -1},
        {"unknown": 1},
        {"source": {"kind": "ftp"}},
        {"source": {"kind": "embedded", "dataset": "../data"}},
        {"source": {"kind": "alpaca", "feed": "iex", "api_key": "never"}},
        {
            "source": {
                "kind": "lean",
                "path": "x",
                "title": "abc",
                "licence": "abc",
                "bars": "quote",
            }
        },
    ],
)
def test_anything_else_is_refused(changes):
    with pytest.raises(BadInputError):
        parsed(**changes)


def test_a_name_is_defined_once():
    one = {"my-shares": parsed()}
    assert merge_universes({}, one, location="x") == one
    with pytest.raises(BadInputError, match="second definition of my-shares"):
        merge_universes(one, one, location="x")
