"""Plugins that lie, hang, crash or use everything up: one clear refusal each, nothing worse."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from torghut_assets.domain import digests
from torghut_assets.domain.candidates.conformance import run_conformance
from torghut_assets.domain.candidates.examinee import (
    ContractViolationError,
    Examinee,
    PluginStoppedError,
    ReportedError,
)
from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.isolation.confinement import Limits
from torghut_assets.resources.isolation.process import WorkerProcess
from torghut_assets.resources.isolation.remote_strategy import load

PLUGIN = """
import ctypes, os, sys, time, stat, struct
import numpy as np
from pydantic import Field
from torghut_assets.domain.candidates.strategy import StrategyParameters

def stream():
    for fd in range(3, 4096):  # it keeps the number that it had in the process that passed it
        try:
            if stat.S_ISSOCK(os.fstat(fd).st_mode):
                return fd
        except OSError:
            pass

class PickleBomb:
    def __reduce__(self):
        return os.system, ("touch /tmp/never",)

class LoudName(type):
    pass

Loud = LoudName("x" * 100000 + "\\n\\x1b[2J", (), {})

class Sub(np.ndarray):
    pass

class Parameters(StrategyParameters):
    which: int = Field(default=0, ge=0, le=1000, description="Which answer.")

class Plugin:
    name = "acme-hostile"
    version = "1.0.0"
    parameters_type = Parameters
    required_features = ("close",)
    max_gross = 1.0

    def warm_up_bars(self, parameters):
        return 0

    def target_weights(self, bars, parameters):
        good = bars.close * 0.0
        return eval(compile(CODE, "code", "eval"), {**globals(), "bars": bars, "good": good,
            "which": parameters.which})

CODE = {code!r}
STRATEGY = Plugin()
"""


@pytest.fixture
def plugin():
    """Load a plugin whose answer is one expression; its worker ends with the test."""
    workers = []

    def make(code, **worker):
        workers.append(WorkerProcess(**worker))
        sources = {"acme.x": PLUGIN.replace("{code!r}", repr(code))}
        served = {"own": "acme", "packages": ["acme"], "sources": sources}
        return load(workers[-1], "acme.x", "STRATEGY", "acme-hostile", served)

    yield make
    for worker in workers:
        worker.stop()
        assert not alive(worker.pid)


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def panel(n_bars=50, n_symbols=3):
    price = np.full((n_bars, n_symbols), 100.0) + np.arange(n_bars)[:, np.newaxis]
    times = np.datetime64("2020-01-01", "us") + np.arange(n_bars) * np.timedelta64(1, "D")
    fields = {name: price.copy() for name in FEATURES}
    return BarPanel(times=times, symbols=tuple("ABC"[:n_symbols]), **fields).read_only()


def ask(strategy):
    parameters = strategy.parameters_type.model_validate({})
    return Examinee(strategy, parameters).weights(panel(), where="bars")


def test_wrong_answers_are_named_like_those_of_a_plugin_in_this_process(plugin):
    wrong = {
        "[1, 2]": "found a list, expected a numpy array of float64",
        "None": "found a NoneType",
        "good.astype(np.float32)": r"found float32 of shape \(50, 3\)",
        "good[:1]": r"found float64 of shape \(1, 3\)",
        "good.T": r"found float64 of shape \(3, 50\)",
        "np.broadcast_to(np.zeros(()), (10**9, 10**6))": r"shape \(1000000000, 1000000\)",
        "np.array([[PickleBomb()]], dtype=object)": r"found object of shape \(1, 1\)",
        "good.view(Sub)": "found a Sub",
        "good.astype('>f8')": r"found >f8 of shape",
        "np.zeros(good.shape, dtype=[('a', 'f8')])": r"found \[\('a', '<f8'\)\] of shape",
        "1/0": "found ZeroDivisionError: division by zero",
        "bars.close.__setitem__(0, 1.0)": "found ValueError: assignment destination is read-only",
        "np.zeros(10**12)": "MemoryError",
        "(lambda f: f(f))(lambda f: f(f))": "RecursionError",
        "sys.exit(0)": "SystemExit",
    }
    choices = ", ".join(f"lambda: {code}" for code in wrong)
    strategy = plugin(f"[{choices}][which]()")
    for which, words in enumerate(wrong.values()):
        parameters = strategy.parameters_type.model_validate({"which": which})
        with pytest.raises((ContractViolationError, ReportedError), match=words):
            Examinee(strategy, parameters).weights(panel(), where="bars")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("[0 for _ in iter(int, 1)]", "no answer within"),
        ("time.sleep(1e6)", "no answer within"),
        ("ctypes.string_at(0)", "ended with -11"),
        ("os._exit(0)", "ended with 0"),
        ("os.close(stream())", "ended with|closed its stream"),
        ("os.write(stream(), b'\\xff' * 9)", "a message of 4294967295 bytes"),
        ("os.write(stream(), struct.pack('>I', 9) + b'\\x80\\x04\\x95pickle')", "no JSON"),
        ("os.write(stream(), struct.pack('>I', 100000) + b'[' * 100000)", "no JSON"),
        ("os.write(stream(), struct.pack('>I', 5) + b'{\"a\"}')", "no JSON"),
        ("os.write(stream(), struct.pack('>I', 2) + b'[]')", "an answer that is none"),
        (
            "os.write(stream(), struct.pack('>I', 13) + b'{\"answer\": 7}')",
            "neither weights nor what was returned",
        ),
    ],
)
def test_a_worker_that_misbehaves_is_ended_and_refused(plugin, code, words):
    strategy = plugin(code, answer_seconds=2)
    with pytest.raises(PluginStoppedError, match=words):
        ask(strategy)
    assert not alive(strategy.worker.pid)
    with pytest.raises(PluginStoppedError):
        ask(strategy)


def test_processor_time_is_limited_by_the_kernel_too(plugin):
    strategy = plugin("[0 for _ in iter(int, 1)]", limits=Limits(cpu_seconds=2), answer_seconds=120)
    with pytest.raises(PluginStoppedError, match=f"ended with -({signal.SIGKILL:d}|24)"):
        ask(strategy)


def test_a_call_into_the_kernel_of_another_architecture_ends_the_worker(plugin):
    """`int 0x80` reaches the 32-bit system calls, whose numbers the filter does not mean."""
    strategy = plugin(
        "(lambda m: (m.write(bytes.fromhex('b814000000cd80c3')),"
        " ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(m)))()))"
        "(__import__('mmap').mmap(-1, 4096, prot=7))"
    )
    with pytest.raises(PluginStoppedError, match=f"ended with -{signal.SIGSYS:d}"):
        ask(strategy)


def test_numbers_that_are_none_fail_the_conformance_suite(plugin):
    strategy = plugin("good + [np.nan, np.inf][len(good) % 2]")
    results = run_conformance(strategy, strategy.parameters_type.model_validate({}))
    failed = {r.test for r in results if r.verdict is Verdict.FAIL}
    assert "weights_are_finite" in failed


def test_what_a_plugin_replaces_or_prints_stays_in_its_process(plugin, capfd):
    before = digests.sha256_hex(b"")
    strategy = plugin(
        "[setattr(__import__('torghut_assets.domain.digests').domain.digests, 'sha256_hex',"
        " lambda b: '0' * 64), print('injected'), os.write(1, b'injected'),"
        " os.write(2, b'injected'), __import__('atexit').register(print, 'injected'), good][-1]"
    )
    assert ask(strategy).shape == (50, 3)
    strategy.worker.stop()
    assert digests.sha256_hex(b"") == before
    assert capfd.readouterr() == ("", "")


def test_a_panel_that_may_be_written_shows_what_the_plugin_wrote(plugin):
    strategy = plugin("[bars.close.fill(7.0), good][-1]")
    parameters = strategy.parameters_type.model_validate({})
    bars = panel()
    writable = bars.with_fields({name: getattr(bars, name).copy() for name in FEATURES})
    strategy.target_weights(writable, parameters)
    assert (writable.close == 7.0).all()
    assert (writable.open == bars.open).all()


def test_more_bars_than_are_shared_are_refused(plugin):
    strategy = plugin("good")
    whole = np.broadcast_to(np.zeros(()), (1_000_000, 200))
    bars = BarPanel(
        times=np.zeros(1_000_000, dtype="datetime64[us]"),
        symbols=tuple(map(str, range(200))),
        **dict.fromkeys(FEATURES, whole),
    )
    with pytest.raises(PluginStoppedError, match="more than is shared"):
        strategy.target_weights(bars, strategy.parameters_type.model_validate({}))


def test_forged_parameters_are_refused(plugin, monkeypatch):
    strategy = plugin("good")
    monkeypatch.setattr(strategy.worker, "stop", lambda problem: None)
    for message in (
        {"answer": {"values": {"which": float("nan")}}},
        {"answer": {"values": {"which": [1]}}},
        {"answer": {"values": {"which": "x" * 10_000}}},
        {"answer": {"values": {"other": 1}}},
        {"answer": {"values": []}},
        {"answer": None},
        {"raised": "text"},
        ["answer"],
    ):
        monkeypatch.setattr(strategy.worker, "ask", lambda call, said=message, **_: said)
        with pytest.raises(PluginStoppedError):
            strategy.parameters_type.model_validate({"which": 1})
    monkeypatch.undo()
    assert strategy.parameters_type.model_validate({"which": 1}).which == 1


def test_the_usual_libraries_work_where_a_plugin_runs(plugin):
    strategy = plugin(
        "[__import__('pandas').DataFrame(bars.close).rolling(3).mean(),"
        " __import__('scipy.stats').stats.norm.cdf(0.0),"
        " __import__('numba').njit(lambda x: x + 1.0)(1.0),"
        " np.linalg.inv(np.eye(300)) @ np.eye(300), good][-1]"
    )
    assert ask(strategy).shape == (50, 3)


def test_a_worker_ends_with_the_process_that_started_it(tmp_path):
    """SIGKILL leaves the parent no time to clean up; the plugin sleeps and will not notice."""
    code = f"""
import sys
sys.path.insert(0, {os.path.dirname(__file__)!r})
from torghut_assets.resources.isolation.process import WorkerProcess
from torghut_assets.resources.isolation.remote_strategy import load
import test_hostile_workers as t
worker = WorkerProcess()
served = {{"own": "acme", "packages": ["acme"],
    "sources": {{"acme.x": t.PLUGIN.replace("{{code!r}}", repr("time.sleep(1e6)"))}}}}
strategy = load(worker, "acme.x", "STRATEGY", "acme-hostile", served)
print(worker.pid, flush=True)
t.ask(strategy)
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 60
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)
