"""What a universe is: which symbols, how often, from which source, with which caveats."""

import datetime as dt
from collections import Counter
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.identifiers import parse_name
from torghut_assets.domain.records import Part
from torghut_assets.domain.snapshots.records import Frequency

Symbol = Annotated[
    str, StringConstraints(pattern=r"^[A-Z0-9]{1,10}([.-][A-Z0-9]{1,5})?$", max_length=16)
]
"""An exchange ticker; the grammar leaves no room for a path."""

_VISIBLE = r"^[^\x00-\x1f\x7f-\x9f]*$"
"""A YAML escape such as `\\e` would reach terminals; no path holds `\\0`."""

Line = Annotated[str, StringConstraints(min_length=3, max_length=200, pattern=_VISIBLE)]
Caveat = Annotated[
    str, StringConstraints(min_length=10, max_length=1_000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$")
]
FolderPath = Annotated[str, StringConstraints(min_length=1, max_length=1_000, pattern=_VISIBLE)]


class EmbeddedSettings(Part):
    """Bars that ship with this package."""

    kind: Literal["embedded"]
    dataset: str

    _dataset_is_a_name = field_validator("dataset")(lambda text: parse_name(text, kind="dataset"))


class FolderSettings(Part):
    """A folder of Parquet or CSV files in the bar schema; `path` is relative to its YAML file."""

    kind: Literal["folder"]
    path: FolderPath
    title: Line
    licence: Line


class LeanSettings(Part):
    """A data folder of QuantConnect LEAN; `path` is the folder that holds `equity/`."""

    kind: Literal["lean"]
    path: FolderPath
    title: Line
    licence: Line
    bars: Literal["trade", "quote"] = "trade"


class AlpacaSettings(Part):
    """Historical bars of Alpaca; keys come from the environment only."""

    kind: Literal["alpaca"]
    feed: Literal["iex", "sip"] = "iex"
    licence: Line = "Alpaca market data terms; not redistributable"


SourceSettings = Annotated[
    EmbeddedSettings | FolderSettings | LeanSettings | AlpacaSettings, Field(discriminator="kind")
]


class Universe(Part):
    """One universe definition, as a YAML file states it.

    `max_staleness_sessions` is how many sessions may lie between the last bar and the as-of
    date; `start` cuts off what is older.
    """

    name: str
    title: Line
    symbols: tuple[Symbol, ...] = Field(min_length=1, max_length=4_000)
    frequency: Frequency
    calendar: str = Field(default="XNYS", pattern=r"^[A-Z0-9/]{2,12}$")
    source: SourceSettings
    caveats: tuple[Caveat, ...] = Field(min_length=1, max_length=20)
    start: dt.date | None = None
    max_staleness_sessions: int = Field(default=5, ge=0, le=260)

    @field_validator("name")
    @classmethod
    def _name_is_an_identifier(cls, text: str) -> str:
        return parse_name(text, kind="universe")

    @field_validator("symbols")
    @classmethod
    def _sorted_and_distinct(cls, symbols: tuple[str, ...]) -> tuple[str, ...]:
        twice = sorted(symbol for symbol, times in Counter(symbols).items() if times > 1)
        if twice:
            raise ValueError(f"symbols listed twice: {', '.join(twice[:5])}")
        return tuple(sorted(symbols))

    @model_validator(mode="after")
    def _source_has_this_frequency(self) -> "Universe":
        quotes = isinstance(self.source, LeanSettings) and self.source.bars == "quote"
        if quotes and self.frequency == "1d":
            raise ValueError("LEAN has quote bars per minute only, not per day")
        return self


class UniverseFile(Part):
    """One YAML file of universes."""

    universes: tuple[Universe, ...] = Field(min_length=1, max_length=100)


def merge_universes(
    shipped: dict[str, Universe], added: dict[str, Universe], *, location: str
) -> dict[str, Universe]:
    """Both, by name. A second definition of one name is refused, never preferred.

    Raises
    ------
    BadInputError
        If a name is defined twice.
    """
    twice = sorted(shipped.keys() & added.keys())
    if twice:
        raise BadInputError(
            location=location,
            found=f"a second definition of {', '.join(twice)}",
            expected="each universe name once",
            action="Rename yours: a snapshot id must always mean the same symbols.",
        )
    return {**shipped, **added}
