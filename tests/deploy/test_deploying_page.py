"""The commands of docs/deploying.md, executed as far as a machine without systemd can.

Paths below /etc and /var/lib become paths below a temporary folder, accounts are left out, the
database is one of the test's own. In place of `systemctl enable` the units' own commands are
started. apt-get, adduser and the installation of the wheel are not executed.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import postgres_server
import pytest
from service_programs import program
from team_mode import free_port, listens, stop, wait_until

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
UNITS = ("torghut-code", "torghut-daemon", "torghut-worker@")


def blocks():
    page = (ROOT / "docs" / "deploying.md").read_text("utf-8")
    return re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


def adapted(script, folder, databases):
    """Let a block of the page work below a folder, as whoever runs the test."""
    for old, new in (
        ("runuser -u postgres -- psql", f"psql --host {databases} --username admin"),
        ("runuser -u torghut -- ", ""),
        ("/opt/torghut/.venv/bin", str(BIN)),
        ("/etc/", f"{folder}/etc/"),
        ("/var/lib/", f"{folder}/var/lib/"),
    ):
        script = script.replace(old, new)
    script = re.sub(r" --(owner|group) torghut", "", script)
    return "\n".join(line for line in script.splitlines() if not line.startswith("systemctl"))


def shell(script, environment):
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def variables(path):
    lines = path.read_text("utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@pytest.mark.heavy
def test_the_commands_of_the_page_bring_a_team_up(tmp_path):
    redis = program("redis-server")
    _, databases_block, settings, tables, is_it_up = blocks()
    queue_port, code_port = free_port(), free_port()
    for folder in ("etc/torghut/dagster", "etc/systemd/system", "var/lib/torghut-anchors"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "var/lib/torghut").mkdir()
    processes = []
    with postgres_server.server() as databases:
        path = f"{BIN}:{postgres_server.binaries()}:{os.environ['PATH']}"
        environment = {**os.environ, "PATH": path, "PGDATABASE": "postgres"}
        for name in ("TORGHUT_HOME", "DAGSTER_HOME", "TORGHUT_TRIAL_ANCHOR"):
            environment.pop(name, None)
        shell(adapted(databases_block, tmp_path, databases), environment)
        shell(adapted(settings, tmp_path, databases), environment)
        file = tmp_path / "etc/torghut/environment"
        assert file.stat().st_mode & 0o777 == 0o640
        text = file.read_text("utf-8")
        text = text.replace("=/var/lib", f"={tmp_path}/var/lib").replace(
            "=/etc", f"={tmp_path}/etc"
        )
        text = re.sub(r"127\.0\.0\.1:5432/(\w+)", rf"/\1?host={databases}", text)
        file.write_text(text.replace(":6379", f":{queue_port}"), "utf-8")
        workspace = tmp_path / "etc/torghut/workspace.yaml"
        workspace.write_text(workspace.read_text().replace("4266", str(code_port)))
        environment |= variables(file)
        try:
            processes.append(
                subprocess.Popen(
                    [redis, "--port", str(queue_port), "--bind", "127.0.0.1", "--save", ""],
                    stdout=subprocess.DEVNULL,
                    start_new_session=True,
                )
            )
            wait_until(lambda: listens(queue_port), "Redis listens")
            shown = shell(adapted(tables, tmp_path, databases), environment)
            assert "PostgresRunStorage" in shown
            for unit in UNITS:
                text = (tmp_path / f"etc/systemd/system/{unit}.service").read_text("utf-8")
                (command,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
                command = adapted(command, tmp_path, databases).replace("4266", str(code_port))
                command = command.replace("%%", "%").replace("%i", "1")
                with (tmp_path / f"{unit}.log").open("wb") as log:
                    processes.append(
                        subprocess.Popen(
                            shlex.split(command),
                            cwd=tmp_path / "var/lib/torghut",
                            env=environment,
                            stdout=log,
                            stderr=subprocess.STDOUT,
                            start_new_session=True,
                        )
                    )
                if unit == "torghut-code":
                    wait_until(lambda: listens(code_port), "the code server listens")
            log = tmp_path / "torghut-worker@.log"
            wait_until(lambda: " ready." in log.read_text(), "the worker is ready")

            def is_up():
                script = adapted(is_it_up, tmp_path, databases)
                done = subprocess.run(
                    ["bash", "-euc", script], env=environment, capture_output=True, check=False
                )
                return done.returncode == 0

            wait_until(is_up, "what the page asks says that it is up")
        finally:
            for process in processes:
                stop(process)
