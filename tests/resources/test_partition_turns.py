"""Turns at a partition: one process has it, whoever dies lets go, nobody else gets in."""

import multiprocessing
import os
import signal
import threading

import pytest

from torghut_assets.resources.partition_turns import PartitionBusyError, PartitionTurns

TURN = "torghut run some-candidate|some-universe@2021-12-31"
FORK = multiprocessing.get_context("fork")


def hold_until_killed(folder, run_id, ready):
    PartitionTurns(folder, run_id).take(TURN)
    ready.set()
    signal.pause()


@pytest.fixture
def elsewhere(tmp_path):
    """Start a process that takes the turn for a run; end it at the end."""
    started = []

    def start(run_id):
        ready = FORK.Event()
        process = FORK.Process(target=hold_until_killed, args=(tmp_path, run_id, ready))
        process.start()
        started.append(process)
        assert ready.wait(60)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def test_a_turn_of_another_process_is_refused_with_its_holder(tmp_path, elsewhere):
    process = elsewhere("run-1")
    with pytest.raises(PartitionBusyError, match=rf"run run-1 \(process {process.pid} on "):
        PartitionTurns(tmp_path, "run-2").take(TURN)


def test_a_turn_is_free_once_its_process_was_killed(tmp_path, elsewhere):
    process = elsewhere("run-1")
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    PartitionTurns(tmp_path, "run-2").take(TURN)


def test_steps_of_one_run_share_its_turn(tmp_path, elsewhere):
    elsewhere("run-1")
    PartitionTurns(tmp_path, "run-1").take(TURN)


def test_a_command_and_the_run_that_it_starts_share_a_turn(tmp_path):
    command, run = PartitionTurns(tmp_path, "command"), PartitionTurns(tmp_path, "run")
    with command.waited_for(TURN):
        run.take(TURN)
        run.let_go()
        other = refused_in_a_thread(tmp_path)
        assert other == [TURN], "the command still has it"
    assert refused_in_a_thread(tmp_path) == []


def refused_in_a_thread(folder):
    """Return the turn if another thread of this process is refused it."""
    refused = []

    def attempt():
        turns = PartitionTurns(folder, "other")
        try:
            turns.take(TURN)
        except PartitionBusyError as error:
            refused.append(error.turn)
        turns.let_go()

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return refused


def test_who_waits_goes_on_when_the_holder_has_ended(tmp_path, elsewhere):
    process = elsewhere("run-1")
    threading.Timer(0.3, process.kill).start()
    said = []
    waiting = PartitionTurns(tmp_path, "command")
    with waiting.waited_for(TURN, "another turn", on_wait=said.append):
        assert not process.is_alive()
    assert len(said) == 1
    assert f"process {process.pid}" in said[0]


def test_turns_of_different_partitions_have_nothing_to_do_with_each_other(tmp_path, elsewhere):
    elsewhere("run-1")
    PartitionTurns(tmp_path, "run-2").take(TURN + "x")


def test_a_lock_file_with_nonsense_in_it_names_nobody(tmp_path, elsewhere):
    elsewhere("run-1")
    (path,) = tmp_path.iterdir()
    path.write_bytes(b'["not an object"')
    with pytest.raises(PartitionBusyError, match="run unknown"):
        PartitionTurns(tmp_path, "run-2").take(TURN)
