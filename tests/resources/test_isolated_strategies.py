"""A confined plugin decides the same bits as one in this process, and leaves the same records."""

import os
import re

import numpy as np
import pytest
from evaluated_examples import PASSING, SNAPSHOT, example

from torghut_assets.cli.candidate import submit
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.cli.snapshot import register
from torghut_assets.domain.candidates.build import build_strategy
from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.domain.candidates.strategy import FEATURES, BarPanel, LoadedStrategy
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.identifiers import parse_snapshot_id
from torghut_assets.resources import strategy_plugins
from torghut_assets.resources.home import Home
from torghut_assets.resources.isolation import confinement, landlock, process, seccomp
from torghut_assets.resources.isolation.shared_bars import place, placed
from torghut_assets.resources.isolation.state import isolation_state
from torghut_assets.resources.strategy_plugins import find_strategies, load_isolated, load_strategy


def isolated(strategy_type):
    (entry,) = (e for e in find_strategies() if e.type == strategy_type)
    return load_isolated(entry)


@pytest.mark.parametrize("candidate", ["dip-buying-megacaps-v1", "tsmom-megacaps-v1"])
def test_the_build_is_the_same_record(candidate):
    spec = parse_candidate_spec(example(candidate), location=candidate)
    here = load_strategy(spec.strategy.type, spec.strategy.version)
    there = LoadedStrategy(isolated(spec.strategy.type), here.code_digest, here.module)
    assert build_strategy(spec, there).canonical_bytes() == (
        build_strategy(spec, here).canonical_bytes()
    )


@pytest.mark.parametrize("order", ["C", "F", "cut", "reversed", "one symbol"])
def test_bars_keep_their_bits_and_their_layout(order):
    numbers = np.random.default_rng(1).normal(size=(40, 5))
    array = {
        "C": numbers,
        "F": np.asfortranarray(numbers),
        "cut": np.asfortranarray(numbers)[:30],
        "reversed": numbers[::-1],
        "one symbol": numbers[:, :1],
    }[order]
    bars = BarPanel(
        times=np.arange(len(array)).astype("datetime64[us]"),
        symbols=tuple("ABCDE"[: array.shape[1]]),
        **dict.fromkeys(FEATURES, array),
    )
    memory = memoryview(bytearray(100_000))
    again = placed(place(bars, memory), memory)
    for name in FEATURES:
        found = getattr(again, name)
        assert found.tobytes() == array.tobytes()
        assert found.strides == array.strides or order in ("reversed", "one symbol")
        assert found.sum(axis=0).tobytes() == array.sum(axis=0).tobytes()


def test_this_system_can_hold_the_isolation():
    state = isolation_state()
    assert state.available, state.problem
    assert state.landlock_version >= 1


@pytest.mark.parametrize(
    ("module", "name", "replacement"),
    [
        (landlock, "landlock_version", lambda _: 0),
        (confinement, "MACHINE", "vax"),
    ],
)
def test_a_missing_protection_refuses(monkeypatch, module, name, replacement):
    """In this process up to the point where it would be confined for good."""
    monkeypatch.setattr(module, name, replacement)
    for step in ("_set_limits", "_drop_capabilities", "_prctl", "restrict_system_calls"):
        monkeypatch.setattr(confinement, step, lambda *_: None)
    monkeypatch.setattr(confinement.os, "listdir", lambda _: ["1"])
    with pytest.raises(OSError, match=r"Landlock|x86_64|vax"):
        confinement.confine([], confinement.Limits(), 0)


def test_without_isolation_a_foreign_plugin_is_refused_and_never_run_unprotected(monkeypatch):
    monkeypatch.setattr(
        process,
        "_PROGRAM",
        process._PROGRAM.replace("main()", "").replace(
            "import main;",
            "import main; from torghut_assets.resources.isolation import landlock;"
            "landlock.landlock_version = lambda _: 0; main()",
        ),
    )
    strategy_plugins._FOREIGN.clear()
    with pytest.raises(BadInputError, match=r"isolation of strategy plugins: found .*Landlock"):
        isolated("mean-reversion")
    state = isolation_state()
    assert not state.available
    assert "Landlock" in state.problem


def test_on_another_system_a_foreign_plugin_is_refused(monkeypatch):
    monkeypatch.setattr("sys.platform", "darwin")
    with pytest.raises(BadInputError, match=r"found the system darwin, expected Linux 5\.13"):
        isolated("mean-reversion")
    assert not isolation_state().available
    assert load_strategy("mean-reversion", "1.0.0").strategy.version == "1.0.0"


def test_a_forked_child_leaves_the_worker_of_its_parent_alone():
    strategy = isolated("mean-reversion")
    child = os.fork()
    if child == 0:
        strategy.worker.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert strategy.parameters_type.model_validate({})


def test_the_filter_is_well_formed():
    code = seccomp.filter_program()
    assert len(code) % 8 == 0
    assert len(code) // 8 < 4096  # the kernel's limit


def evaluate(home):
    """Take one candidate from its file to the decision; return what the store then holds."""
    home.prepare()
    submit(home, example(PASSING), f"{PASSING}.yaml")
    register(home, parse_snapshot_id(SNAPSHOT))
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.step("settings", None)
        driver.step("candidate", PASSING)
        driver.step("snapshot", SNAPSHOT)
        driver.step("evaluation", f"{PASSING}|{SNAPSHOT}", through="research_feedback")
    return {p.name: p.read_bytes() for p in (home.root / "store").rglob("*") if p.is_file()}


@pytest.mark.heavy
def test_a_whole_evaluation_leaves_the_same_records(tmp_path, monkeypatch):
    """Everything from the build to the decision, every strategy confined."""
    here = evaluate(Home.at(tmp_path / "free"))
    monkeypatch.setattr(strategy_plugins, "SHIPPED", frozenset())
    there = evaluate(Home.at(tmp_path / "confined"))
    assert strategy_plugins._FOREIGN
    assert len(there.keys() & here.keys()) > 15
    assert without_moments(there, here) == without_moments(here, there)


def without_moments(found, other):
    """What only one store holds, without the digests that depend on when a ticket was taken."""
    digests = "|".join(found.keys() - other.keys())
    moments = rf'"(?:receipt_digest|trial_register_head|head_digest)":"[0-9a-f]{{64}}"|{digests}'
    return sorted(re.sub(moments.encode(), b"-", found[d]) for d in found.keys() - other.keys())
