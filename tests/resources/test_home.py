"""Paths of a home, and what happens when they cannot be used."""

import os
import shlex
from pathlib import Path

import pytest

from torghut_assets.resources.home import Home, HomeUnusableError


def test_the_default_lies_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("TORGHUT_HOME")
    monkeypatch.chdir(tmp_path)
    home = Home.from_environment()
    assert home.root == tmp_path / ".torghut"
    assert home.dagster_home == tmp_path / ".torghut" / "dagster"
    assert home.trial_anchor_path == tmp_path / ".torghut" / "anchors" / "trials.json"


@pytest.mark.parametrize("given", ["relative/home", "~/home", "a b/'quoted' \"twice\""])
def test_every_path_is_absolute(given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("TORGHUT_HOME", given)
    home = Home.from_environment()
    assert home.root == Path(os.path.realpath(Path(given).expanduser()))
    for value in home.environment().values():
        assert value.startswith("/") or value == "torghut_assets.definitions"
        assert shlex.split(shlex.quote(value)) == [value]


def test_dagster_home_and_the_anchor_may_lie_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "instance"))
    monkeypatch.setenv("TORGHUT_TRIAL_ANCHOR", str(tmp_path / "usb" / "anchor.json"))
    home = Home.from_environment()
    assert home.dagster_home == tmp_path / "instance"
    assert home.trial_anchor_path == tmp_path / "usb" / "anchor.json"
    assert Home.at(tmp_path / "other").dagster_home == tmp_path / "other" / "dagster"


def test_preparing_twice_keeps_an_edited_instance_file(tmp_path):
    home = Home.at(tmp_path / "home")
    home.prepare()
    instance_file = home.dagster_home / "dagster.yaml"
    assert "telemetry" in instance_file.read_text()
    instance_file.write_text("telemetry:\n  enabled: false\n# mine\n")
    home.prepare()
    assert instance_file.read_text().endswith("# mine\n")


def test_the_homes_own_setting_file_wins_over_the_shipped_one(home):
    shipped = home.config_path("cost_model")
    assert home.root not in shipped.parents
    own = home.root / "config" / "cost_model.yaml"
    own.parent.mkdir()
    own.write_bytes(shipped.read_bytes())
    assert home.config_path("cost_model") == own
    assert home.config_path("risk_limits") != own


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(HomeUnusableError, match=r"Not a directory|File exists") as refused:
        Home.at(tmp_path / "home" / "below").prepare()
    assert refused.value.exit_code == 4
    assert "TORGHUT_HOME" in str(refused.value)


def test_a_home_without_write_permission_is_refused(tmp_path, monkeypatch):
    home = Home.at(tmp_path / "home")
    home.prepare()
    monkeypatch.setattr("os.access", lambda path, mode: path != home.dagster_home)
    with pytest.raises(HomeUnusableError, match="permission to write"):
        home.prepare()
