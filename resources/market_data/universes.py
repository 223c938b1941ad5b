"""Universe definitions: those that ship, and the YAML files of a user's own folder."""

from pathlib import Path
from typing import Final

import torghut_assets
from torghut_assets.domain.documents import MAX_BYTES, parse_yaml
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import parse_record
from torghut_assets.domain.snapshots.universes import (
    FolderSettings,
    LeanSettings,
    Universe,
    UniverseFile,
    merge_universes,
)

_SHIPPED: Final = Path(torghut_assets.__file__).parent / "config" / "universes.yaml"


def load_universes(folder: Path | None = None) -> dict[str, Universe]:
    """All universes by name: the shipped ones, then every `*.yaml` of `folder` in name order.

    Raises
    ------
    BadInputError
        If a file breaks a limit, holds an invalid definition or repeats a name.
    """
    known: dict[str, Universe] = {}
    own = sorted(folder.glob("*.yaml")) if folder is not None and folder.is_dir() else []
    for path in (_SHIPPED, *own):
        known = merge_universes(known, read_universe_file(path), location=path.name)
    return known


def find_universe(name: str, folder: Path | None = None) -> Universe:
    """Return the universe of that name.

    Raises
    ------
    BadInputError
        If there is none; the message lists those there are.
    """
    known = load_universes(folder)
    if name not in known:
        raise BadInputError(
            location="universe",
            found=ascii(name)[:80],
            expected=f"one of {', '.join(sorted(known)[:20])}",
            action="Add a YAML file to the universes folder; docs/data-sources.md shows how.",
        )
    return known[name]


def read_universe_file(path: Path) -> dict[str, Universe]:
    """Parse one file; relative source folders are taken from where the file lies."""
    try:
        with path.open("rb") as handle:
            payload = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadInputError(
            location=path.name, found=str(error.strerror), expected="a readable universe file"
        ) from error
    parsed = parse_record(UniverseFile, parse_yaml(payload, location=path.name), location=path.name)
    known: dict[str, Universe] = {}
    for universe in parsed.universes:
        placed = _placed(universe, path.parent)
        known = merge_universes(known, {placed.name: placed}, location=path.name)
    return known


def _placed(universe: Universe, base: Path) -> Universe:
    source = universe.source
    if not isinstance(source, FolderSettings | LeanSettings):
        return universe
    absolute = str((base / Path(source.path).expanduser()).resolve())
    return universe.model_copy(update={"source": source.model_copy(update={"path": absolute})})
