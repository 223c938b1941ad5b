"""The key is read in one place, goes to the client, and is found nowhere else."""

import ast
from importlib.resources import files
from pathlib import Path

import dagster as dg
import pytest
from evaluated_examples import KEY as PASSING_KEY
from hostile_service import KEY, KEY_VARIABLE, PROVIDERS, Service, configure_for

import torghut_assets
from torghut_assets.advisory.assets import JOB
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import build_definitions
from torghut_assets.resources.advisory_llm import AdvisoryModel

PACKAGE = Path(torghut_assets.__file__).parent


def sources():
    folders = (
        PACKAGE,
        *(Path(str(files(f"torghut_assets.{n}"))) for n in ("resources", "sensors")),
    )
    return sorted({path for folder in folders for path in folder.rglob("*.py")})


def variables_read(path):
    """Arguments of every look into the environment, as source."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in {"os.getenv", "getenv", "os.environ.get", "environ.get"}:
                yield ast.unparse(node.args[0])
        if isinstance(node, ast.Subscript) and ast.unparse(node.value).endswith("environ"):
            yield ast.unparse(node.slice)


def test_one_module_reads_a_variable_whose_name_comes_from_the_advisory_settings():
    readers = {path.name for path in sources() if "api_key_variable" in path.read_text()}
    assert readers == {"advisory_llm.py", "advisory_settings.py"}
    assert list(variables_read(one("advisory_settings.py"))) == []
    assert list(variables_read(one("advisory_clients.py"))) == []
    assert list(variables_read(one("advisory_llm.py"))) == ["name"]


def one(name):
    (path,) = [path for path in sources() if path.name == name]
    return path


@pytest.mark.parametrize(
    "variable", ["TORGHUT_ADVISORY_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY"]
)
def test_no_other_module_names_a_key_of_a_model(variable):
    named = {path.name for path in sources() if variable in path.read_text()}
    assert named <= {"advisory_settings.py"}


def test_the_environment_that_is_handed_to_dagster_has_no_key(home, monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    assert KEY not in str(home.environment())
    assert set(home.environment()) == {
        "TORGHUT_HOME",
        "DAGSTER_HOME",
        "DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME",
    }


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_run_leaves_the_key_in_no_file_no_event_and_no_object(
    evaluated, monkeypatch, provider, capfd
):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with Service() as service, instance_of(evaluated) as instance:
        configure_for(evaluated, service, provider)
        job = build_definitions(evaluated).resolve_job_def(JOB)
        result = job.execute_in_process(instance=instance, partition_key=PASSING_KEY)
        assert result.success
        assert any(KEY in value for seen in service.seen for value in seen.headers.values())
        run = instance.get_run_by_id(result.run_id)
        logged = "".join(dg.serialize_value(e) for e in instance.all_logs(result.run_id))
        assert KEY not in dg.serialize_value(run) + logged
        model = AdvisoryModel(evaluated)
        model.require_ready()
        assert KEY not in str(vars(model)) + repr(model)
    shown = capfd.readouterr()
    assert KEY not in shown.out + shown.err
    for path in evaluated.root.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
