"""The files under `deploy/` say what they mean to the programs that read them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator
from service_programs import program

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
URLS = {
    "TORGHUT_DAGSTER_URL": "postgresql+psycopg2://nobody:x@127.0.0.1:1/dagster",
    "TORGHUT_BROKER_URL": "redis://127.0.0.1:1/0",
}
CHART = {
    "": "generatePostgresqlPasswordSecret postgresql dagsterWebserver dagster-user-deployments "
    "runLauncher dagsterDaemon",
    "runLauncher.config.k8sRunLauncher": "image imagePullPolicy jobNamespace loadInclusterConfig "
    "kubeconfigFile envConfigMaps envSecrets envVars volumeMounts volumes labels "
    "failPodOnRunFailure resources schedulerName securityContext runK8sConfig",
    "runLauncher.config.k8sRunLauncher.runK8sConfig": "containerConfig podSpecConfig "
    "podTemplateSpecMetadata jobSpecConfig jobMetadata",
    "dagsterDaemon": "enabled image runCoordinator runMonitoring runRetries sensors schedules",
    "dagsterDaemon.runCoordinator": "enabled type config",
    "dagsterDaemon.runCoordinator.config.queuedRunCoordinator": "maxConcurrentRuns "
    "tagConcurrencyLimits dequeueIntervalSeconds dequeueNumWorkers dequeueUseThreads",
    "dagsterDaemon.sensors": "useThreads numWorkers numSubmitWorkers",
    "postgresql": "enabled image postgresqlHost postgresqlUsername postgresqlPassword "
    "postgresqlDatabase postgresqlParams postgresqlScheme service",
    "dagster-user-deployments": "enabled enableSubchart imagePullSecrets deployments",
}
"""Keys that the schema of Dagster's Helm chart knows, by the part that they are in."""


def read(name):
    return yaml.safe_load((DEPLOY / name).read_text("utf-8"))


@pytest.fixture
def instance_of_mode(tmp_path, monkeypatch):
    """Give the instance that a mode's `dagster.yaml` describes, without opening its databases."""
    for name, value in URLS.items():
        monkeypatch.setenv(name, value)

    def load(mode):
        shutil.copy(DEPLOY / mode / "dagster.yaml", tmp_path)
        return InstanceRef.from_dir(str(tmp_path))

    return load


@pytest.mark.parametrize("mode", ["embedded", "team"])
def test_an_instance_reads_the_settings_and_its_queue_has_the_limits(mode, instance_of_mode):
    ref = instance_of_mode(mode)
    coordinator = ref.run_coordinator
    assert isinstance(coordinator, QueuedRunCoordinator)
    limits = coordinator.get_run_queue_config().with_concurrency_settings(
        ref.settings["concurrency"]
    )
    assert (
        limits.max_concurrent_runs
        == read(f"{mode}/dagster.yaml")["concurrency"]["runs"]["max_concurrent_runs"]
    )
    for key in ("dagster/partition", "dagster/partition/candidate"):
        each = {"key": key, "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
        assert each in limits.tag_concurrency_limits
    assert ref.settings["run_retries"]["retry_on_asset_or_op_failure"] is False
    assert ref.settings["run_monitoring"]["enabled"] is True


def test_a_team_launches_by_celery_and_keeps_its_runs_in_postgresql(instance_of_mode):
    from torghut_assets.resources.celery_runs import WatchedCeleryRunLauncher

    ref = instance_of_mode("team")
    launcher = ref.run_launcher
    assert isinstance(launcher, WatchedCeleryRunLauncher)
    assert launcher.celery.conf.broker_url == URLS["TORGHUT_BROKER_URL"]
    assert launcher.celery.conf.worker_disable_prefetch is True
    assert ref.storage_data.class_name == "DagsterPostgresStorage"


def test_every_variable_that_a_file_names_is_in_the_environment_example():
    example = (DEPLOY / "team" / "environment.example").read_text("utf-8")
    given = set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))
    named = set(re.findall(r"env: ([A-Z_]+)", (DEPLOY / "team" / "dagster.yaml").read_text()))
    assert named <= given
    assert {"TORGHUT_HOME", "DAGSTER_HOME", "TORGHUT_LEDGER_URL"} <= given


def test_the_units_are_valid_and_start_programs_that_exist(tmp_path):
    analyze = program("systemd-analyze")
    units = sorted((DEPLOY / "systemd").glob("*.service"))
    assert len(units) == 4
    programs = Path(sys.executable).parent
    for unit in units:
        text = unit.read_text("utf-8").replace("/opt/torghut/.venv/bin", str(programs))
        (tmp_path / unit.name).write_text(text)
    done = subprocess.run(
        [analyze, "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "torghut" in line]
    assert ours == [], done.stderr


def test_kubernetes_values_have_only_keys_that_the_chart_knows():
    values = read("kubernetes/values.yaml")
    for place, known in CHART.items():
        part = values
        for name in filter(None, place.split(".")):
            part = part[name]
        assert set(part) <= set(known.split()), place
    assert values["runLauncher"]["type"] == "K8sRunLauncher"
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert deployment["includeConfigInLaunchedRuns"] == {"enabled": True}
    assert deployment["codeServerArgs"][-1] == "torghut_assets.definitions"


def test_the_compose_file_starts_every_part_of_a_team():
    services = read("compose/compose.yaml")["services"]
    assert set(services) == {"database", "queue", "code", "web", "daemon", "worker"}
    for name in ("code", "web", "daemon", "worker"):
        assert services[name]["env_file"] == "environment", name
    assert services["web"]["ports"] == ["127.0.0.1:3000:3000"]
    host = read("compose/workspace.yaml")["load_from"][0]["grpc_server"]["host"]
    assert host in services


def test_heavy_jobs_ask_kubernetes_for_what_they_need(home):
    import json

    from torghut_assets.definitions import build_definitions

    definitions = build_definitions(home)
    for name in ("evaluate_candidate", "take_snapshot", "trade_session"):
        asked = json.loads(definitions.resolve_job_def(name).tags["dagster-k8s/config"])
        assert set(asked["container_config"]["resources"]) == {"requests", "limits"}
