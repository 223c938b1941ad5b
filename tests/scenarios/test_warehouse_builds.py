"""A build whose rows contradict each other publishes nothing and says which test failed."""

import shutil

import pytest
from command_line import torghut
from traded_home import rolled_back_home

from torghut_assets.assets.warehouse import TESTS
from torghut_assets.cli.instance import instance_of
from torghut_assets.domain.warehouse import order_rows
from torghut_assets.resources import warehouse_export

pytestmark = pytest.mark.heavy


def test_a_failed_test_keeps_the_old_file_and_is_shown_as_a_failed_check(
    evaluated_home, tmp_path, monkeypatch
):
    home = rolled_back_home(evaluated_home, tmp_path / "home")
    environment = {"TORGHUT_HOME": str(home.root)}
    assert torghut("warehouse", "build", **environment).returncode == 0
    before = home.warehouse_path.read_bytes()

    def without_the_first(entries, stated_in):
        return list(order_rows.fill_rows(entries, stated_in))[1:]

    monkeypatch.setattr(warehouse_export, "fill_rows", without_the_first)
    done = torghut("warehouse", "build", **environment)
    assert done.returncode == 3
    assert "fills_add_up_to_their_order" in done.stderr
    assert "The warehouse is as it was before" in done.stderr
    assert home.warehouse_path.read_bytes() == before
    (key,) = (spec.key for spec in TESTS if spec.name == "fills_add_up_to_their_order")
    with instance_of(home) as instance:
        latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([key])
    assert not latest[key].event.dagster_event.asset_check_evaluation_data.passed

    monkeypatch.undo()
    shutil.rmtree(home.warehouse_folder)
    assert torghut("warehouse", "build", **environment).returncode == 0
