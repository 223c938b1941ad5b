"""Many launches of one partition at once: one makes it, the others are refused or find it made."""

import multiprocessing
from collections import Counter

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from evaluated_examples import KEY, PASSING, SNAPSHOT, example

from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.snapshot import register
from torghut_assets.cli.trials import register_of
from torghut_assets.definitions import build_definitions
from torghut_assets.domain.backtest.trials import TrialTicket
from torghut_assets.domain.errors import TorghutError
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.resources.partition_turns import PartitionBusyError
from torghut_assets.resources.record_io import MadeMeanwhileError

FORK = multiprocessing.get_context("fork")
LAUNCHES = [4, pytest.param(20, marks=pytest.mark.heavy)]


def refusal(error):
    """Name the refusal of ours behind an error of Dagster's."""
    while error is not None and not isinstance(error, TorghutError):
        error = error.__cause__ or error.__context__
    return type(error).__name__


def launch(home, line, answers):
    """Launch the evaluation as `dagster asset materialize` does; say how it ended."""
    with instance_of(home) as instance:
        job = build_definitions(home).resolve_job_def("evaluate_candidate")
        line.wait()
        try:
            job.execute_in_process(
                instance=instance,
                partition_key=KEY,
                asset_selection=[dg.AssetKey("target_weights"), dg.AssetKey("backtest_metrics")],
            )
        except Exception as error:  # noqa: BLE001 - it is named by what is behind it
            answers.put(refusal(error))
        else:
            answers.put("made")


def drive(home, line, answers):
    """Ask for the evaluation as `torghut run` does; say whether it was made here."""
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        line.wait()
        outcome = driver.step("evaluation", KEY, through="backtest_metrics")
        answers.put("made" if outcome.made else "current")


def at_once(work, home, number):
    """Run something in many processes that begin together; count the answers."""
    line, answers = FORK.Barrier(number), FORK.Queue()
    processes = [FORK.Process(target=work, args=(home, line, answers)) for _ in range(number)]
    for process in processes:
        process.start()
    counted = Counter(answers.get(timeout=600) for _ in processes)
    for process in processes:
        process.join()
    return counted


def tickets(home):
    entries = register_of(home).entries()
    return Counter(e.trial.purpose for e in entries if isinstance(e, TrialTicket))


def prepared(home):
    """Make the home's candidate and snapshot, but no evaluation."""
    submit(home, example(PASSING), PASSING)
    register(home, parse_snapshot_id(SNAPSHOT))
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        for step, partition in (("settings", None), ("candidate", PASSING), ("snapshot", SNAPSHOT)):
            driver.step(step, partition)
    return home


@pytest.mark.parametrize("number", LAUNCHES)
def test_launches_of_dagster_end_in_one_evaluation(number, home):
    home = prepared(home)
    counted = at_once(launch, home, number)
    refused = {PartitionBusyError.__name__, MadeMeanwhileError.__name__}
    assert counted["made"] == 1, counted
    assert set(counted) <= {"made", *refused}
    assert tickets(home) == {"target_weights": 1, "backtest_metrics": 1}


@pytest.mark.parametrize("number", LAUNCHES)
def test_commands_wait_and_find_it_made(number, home):
    home = prepared(home)
    assert at_once(drive, home, number) == {"made": 1, "current": number - 1}
    assert tickets(home) == {"target_weights": 1, "backtest_metrics": 1}


def test_a_run_that_waited_while_another_made_it_is_refused(home):
    """As a run in Dagster's queue does: created before, executed after."""
    home = prepared(home)
    with instance_of(home) as instance:
        job = build_definitions(home).resolve_job_def("evaluate_candidate")
        chosen = [dg.AssetKey("target_weights")]
        waiting = job.get_subset(asset_selection=set(chosen))
        tags = job.get_tags_for_partition_key(KEY, selected_asset_keys=chosen)
        run = instance.create_run_for_job(
            waiting, tags=dict(tags), asset_selection=frozenset(chosen)
        )
        Driver(home, instance).step("evaluation", KEY, through="target_weights")
        with pytest.raises(MadeMeanwhileError, match="made it after this run was launched"):
            execute_run(InMemoryJob(waiting), run, instance, raise_on_error=True)
    assert tickets(home) == {"target_weights": 1}
