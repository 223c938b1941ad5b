"""The digest of code: of every file, by name and content."""

import pytest

from torghut_assets.resources import code_version
from torghut_assets.resources.code_version import code_digest


@pytest.fixture
def package(tmp_path, monkeypatch):
    (tmp_path / "part" / "below").mkdir(parents=True)
    (tmp_path / "part" / "one.py").write_text("a = 1\n")
    (tmp_path / "part" / "below" / "two.py").write_text("b = 2\n")
    (tmp_path / "alone.py").write_text("c = 3\n")
    monkeypatch.setattr(code_version, "_PACKAGE", tmp_path)
    code_digest.cache_clear()
    yield tmp_path
    code_digest.cache_clear()


def fresh(*parts):
    code_digest.cache_clear()
    return code_digest(*parts)


def test_any_change_of_content_or_name_changes_the_digest(package):
    seen = {fresh("part")}
    (package / "part" / "below" / "two.py").write_text("b = 3\n")
    seen.add(fresh("part"))
    (package / "part" / "one.py").rename(package / "part" / "uno.py")
    seen.add(fresh("part"))
    (package / "part" / "new.py").touch()
    seen.add(fresh("part"))
    assert len(seen) == 4


def test_what_is_no_python_source_does_not_count(package):
    before = fresh("part")
    (package / "part" / "notes.md").write_text("a note")
    (package / "part" / "one.pyc").write_bytes(b"cache")
    assert fresh("part") == before


def test_the_order_of_parts_does_not_matter(package):
    assert fresh("part", "alone.py") == fresh("alone.py", "part") != fresh("part")


@pytest.mark.parametrize("part", ["prat", "alnoe.py"])
def test_a_misspelt_part_is_refused(part, package):
    with pytest.raises(FileNotFoundError):
        fresh("part", part)


def test_every_part_that_assets_name_exists_and_differs():
    domain, gates = fresh("domain"), fresh("domain/gates")
    assert len({domain, gates, fresh("domain/backtest")}) == 3
