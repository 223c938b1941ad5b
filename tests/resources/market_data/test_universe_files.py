import re
from pathlib import Path

import pytest

from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import BadInputError, DocumentRefusedError
from torghut_assets.domain.records import parse_record
from torghut_assets.domain.snapshots.findings import CHECKS
from torghut_assets.domain.snapshots.universes import UniverseFile
from torghut_assets.resources.market_data.embedded import EmbeddedSource
from torghut_assets.resources.market_data.folder import FolderSource
from torghut_assets.resources.market_data.lean import LeanSource
from torghut_assets.resources.market_data.source import open_source
from torghut_assets.resources.market_data.universes import (
    find_universe,
    load_universes,
    read_universe_file,
)

MINE = """
universes:
  - name: my-shares
    title: My shares
    symbols: [MSFT, AAPL]
    frequency: 1d
    source: {kind: folder, path: bars, title: My bars, licence: mine}
    caveats: [Chosen in hindsight.]
  - name: lean-minutes
    title: Minutes from LEAN
    symbols: [SPY]
    frequency: 1m
    source: {kind: lean, path: ../lean, title: LEAN data, licence: mine, bars: quote}
    caveats: [One fund only here.]
"""


def test_the_shipped_universe_states_its_survivorship_bias():
    universes = load_universes()
    assert universes["us-megacaps"].symbols == ("AAPL", "AMZN", "GOOG", "META", "NFLX", "NVDA")
    assert isinstance(open_source(universes["us-megacaps"]), EmbeddedSource)
    assert "urvivorship" in universes["us-megacaps"].caveats[0]


def test_a_folder_adds_universes_with_paths_relative_to_their_file(tmp_path):
    (tmp_path / "mine.yaml").write_text(MINE)
    known = load_universes(tmp_path)
    assert sorted(known) == ["lean-minutes", "my-shares", "us-megacaps"]
    assert known["my-shares"].source.path == str(tmp_path / "bars")
    assert known["lean-minutes"].source.path == str(tmp_path.parent / "lean")
    assert isinstance(open_source(known["my-shares"]), FolderSource)
    assert isinstance(open_source(known["lean-minutes"]), LeanSource)


def test_a_folder_that_does_not_exist_adds_nothing(tmp_path):
    assert sorted(load_universes(tmp_path / "none")) == ["us-megacaps"]


def test_a_second_definition_of_a_name_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text(MINE)
    (tmp_path / "b.yaml").write_text(MINE)
    with pytest.raises(BadInputError, match=r"b\.yaml.*lean-minutes, my-shares"):
        load_universes(tmp_path)
    (tmp_path / "b.yaml").write_text(MINE.replace("my-shares", "us-megacaps"))
    (tmp_path / "a.yaml").unlink()
    with pytest.raises(BadInputError, match="second definition of us-megacaps"):
        load_universes(tmp_path)


def test_an_unknown_universe_is_refused_with_those_there_are():
    with pytest.raises(BadInputError, match="one of us-megacaps"):
        find_universe("../../etc/passwd")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"universes: []\n",
        b"universes: [1]\n",
        b"universes: &a [*a]\n",
        b"universes: !!python/object:os.system []\n",
        b"\xff\xfe",
        b"x" * 10_000_000,
        MINE.replace("[MSFT, AAPL]", "[]").encode(),
        MINE.replace("MSFT", "'../x'").encode(),
        MINE.replace("my-shares", "my/shares").encode(),
        MINE.replace("licence: mine}", "licence: mine, key: 1}").encode(),
        MINE.replace("frequency: 1d", "frequency: 1d\n    unknown: 1").encode(),
    ],
)
def test_hostile_or_wrong_files_are_refused_by_name(tmp_path, payload):
    (tmp_path / "bad.yaml").write_bytes(payload)
    with pytest.raises(BadInputError, match=r"bad\.yaml"):
        read_universe_file(tmp_path / "bad.yaml")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(BadInputError, match=r"none\.yaml"):
        read_universe_file(tmp_path / "none.yaml")


def test_control_characters_are_refused(tmp_path):
    (tmp_path / "bad.yaml").write_text(MINE.replace("My shares", '"My\x1b[31m shares"'))
    with pytest.raises(DocumentRefusedError):
        read_universe_file(tmp_path / "bad.yaml")


def test_the_examples_of_the_documentation_are_valid_and_every_check_is_listed():
    text = (Path(__file__).parents[3] / "docs" / "data-sources.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    parsed = [
        parse_record(UniverseFile, parse_yaml(example.encode(), location="docs"), location="docs")
        for example in examples
    ]
    kinds = [universe.source.kind for file in parsed for universe in file.universes]
    assert kinds == ["embedded", "folder", "lean", "alpaca"]
    assert [check for check in CHECKS if f"`{check}`" not in text] == []
