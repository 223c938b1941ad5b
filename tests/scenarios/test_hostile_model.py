"""A model that does its worst changes no decision, to the byte.

Two copies of one evaluated home: in one advice is off, in the other every note is made, by
Dagster, through the real clients, from a service that attacks. Afterwards both decide again.
"""

import shutil
import sqlite3

import dagster as dg
import pytest
from evaluated_examples import KEY as PASSING_KEY
from evaluated_examples import PASSING, REFUSED, REFUSED_KEY, SNAPSHOT
from hostile_attacks import DELAY_SECONDS, attacks, barrages
from hostile_service import (
    KEY,
    KEY_VARIABLE,
    PROVIDERS,
    Service,
    configure_for,
)

from torghut_assets.advisory.assets import ADVICE, JOB, ON_EVALUATIONS
from torghut_assets.assets.keys import ASSETS
from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import HELD, build_definitions, stage_desk
from torghut_assets.domain.candidates.grid import declared_parameters
from torghut_assets.domain.candidates.parse import parse_candidate_spec
from torghut_assets.resources.home import Home
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.lineage import current_record, newest
from torghut_assets.resources.stage_desk import Subject
from torghut_assets.resources.strategy_plugins import load_strategy

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def copy_of(evaluated_home, root):
    shutil.copytree(evaluated_home, root)
    return Home.at(root)


def partitions(instance, name):
    """Every partition of an asset that holds something; `None` stands for no partitions."""
    if HELD[name].dimension == "none":
        return [None]
    return sorted(instance.get_materialized_partitions(dg.AssetKey(name)))


def rows(path):
    with sqlite3.connect(path) as database:
        return list(database.iterdump())


def files_below(root, *folders):
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted((root / folder).rglob("*"))
        if path.is_file()
    }


def decided(home, instance):
    """Everything a decision is, byte by byte: records, registers, files, partitions."""
    found = {"trials": rows(home.trial_register_path)}
    for name in ASSETS:
        for partition in partitions(instance, name):
            event = newest(instance, dg.AssetKey(name), partition)
            if event is not None:  # settings of stages that were not entered were not settled
                found[name, partition] = home.store.get(event.digest)
    assert {("gate_report", PASSING_KEY), ("gate_report", REFUSED_KEY)} <= set(found)
    assert {("research_feedback", REFUSED_KEY), ("gate_policy", None)} <= set(found)
    found |= files_below(home.root, "candidates", "reports", "universes", "anchors")
    del found["anchors/ledger.json"]  # the head of a ledger that also states what was advised
    entries = Ledger(home).entries()
    found["ledger"] = [e.envelope.plain() for e in entries if e.kind != "advisory"]
    for dimension in ("candidate", "snapshot"):
        found["partitions", dimension] = sorted(instance.get_dynamic_partitions(dimension))
    return found


def decide_again(home, instance):
    """Make the reports anew, settle every stage, and return what came of it without its time."""
    driver = Driver(home, instance)
    found = {}
    for candidate, partition in ((PASSING, PASSING_KEY), (REFUSED, REFUSED_KEY)):
        keys = [dg.AssetKey("gate_report"), dg.AssetKey("research_feedback")]
        driver._execute("evaluation", keys, partition, lambda _: None, lambda _: None)
        receipts = driver.settle(candidate, SNAPSHOT, through="research_feedback")
        assert len(receipts) >= 4
        found[candidate] = [receipt.decision.model_dump(mode="json") for receipt in receipts]
        found[partition] = home.store.get(newest(instance, keys[0], partition).digest)
    desk = stage_desk(home)
    sides = desk.examine(instance, "gate_policy_evaluation", Subject(PASSING, SNAPSHOT))
    found["findings"] = [f.model_dump(mode="json") for side in sides.values() for f in side]
    return found


def advise(home, instance, partition, job=None):
    job = job or build_definitions(home).resolve_job_def(JOB)
    result = job.execute_in_process(instance=instance, partition_key=partition, run_config=QUIET)
    assert result.success
    return {
        name: current_record(instance, home.store, made.record_type, dg.AssetKey(name), partition)
        for name, made in ADVICE.items()
        if name in ON_EVALUATIONS
    }


def in_turns(service, deck):
    """Behave as one attack per request, in order; remember which came."""
    waiting, used = list(deck), []

    def behave(handler, seen):
        attack = waiting.pop(0)
        used.append(attack.name)
        attack.behave(handler, seen)

    service.behave = behave
    return waiting, used


@pytest.mark.slow
def test_every_decision_is_byte_identical_to_a_run_with_advice_off(
    evaluated_home, tmp_path, monkeypatch
):
    calm = copy_of(evaluated_home, tmp_path / "calm")
    with instance_of(calm) as instance:
        for partition in (PASSING_KEY, REFUSED_KEY):
            notes = advise(calm, instance, partition)
            assert {note.source for note in notes.values()} == {"template"}
        expected = decided(calm, instance)
        expected_again = decide_again(calm, instance)
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    attacked = copy_of(evaluated_home, tmp_path / "attacked")
    stored = {path.name for path in (attacked.root / "store").rglob("*") if path.is_file()}
    with Service() as service, Service() as trap, instance_of(attacked) as instance:
        ends, used = set(), []
        job = build_definitions(attacked).resolve_job_def(JOB)
        for provider, deck in decks(trap.url):
            waiting, taken = in_turns(service, deck)
            seconds = DELAY_SECONDS if deck[0].slow else 20.0
            configure_for(
                attacked, service, provider, total_seconds=seconds, connect_seconds=seconds / 4
            )
            partition = (PASSING_KEY, REFUSED_KEY)[len(used) % 2]
            ends |= ends_of(advise(attacked, instance, partition, job))
            assert (waiting, len(taken)) == ([], 3)
            used += taken
        assert len(set(used)) > 30
        assert trap.seen == []
        assert ends >= {"model", "deadline", "redirect", "tool_call", "response_too_large"}
        assert decided(attacked, instance) == expected
        assert decide_again(attacked, instance) == expected_again
    for path in attacked.root.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path
    now = {path.name for path in (attacked.root / "store").rglob("*") if path.is_file()}
    assert stored <= now
    again = {path.name for path in (calm.root / "store").rglob("*") if path.is_file()}
    for digest in now - stored - again:
        assert attacked.store.get(digest).startswith(b'{"kind":"advisory-'), digest
    assert_drafts_are_bounded(attacked)


def decks(trap):
    """Every text, and an attack of every kind on the wire, through both clients, by threes."""
    of_kind = {kind_of(attack): attack for attack in attacks(trap) if kind_of(attack) != "in"}
    slow = [attack for attack in of_kind.values() if attack.slow]
    quick = [attack for attack in of_kind.values() if not attack.slow]
    texts = list(barrages())
    rotated = [*texts, *texts[: 3 - len(texts) % 2]]
    for provider in PROVIDERS:
        for first in range(0, len(texts), 2):
            yield provider, rotated[first : first + 3]
        for part in (slow, quick):
            for first in range(0, len(part), 3):
                deck = part[first : first + 3]
                yield provider, deck + [deck[-1]] * (3 - len(deck))


def kind_of(attack):
    """First word of an attack's name; what is large in its own way is a kind of its own."""
    return attack.name if "fifty" in attack.name else attack.name.partition("-")[0]


def ends_of(notes):
    """Return how the notes came about; each is labelled and has nothing like a verdict."""
    ends = set()
    for note in notes.values():
        assert note.label == "advice: it decides nothing"
        assert not hasattr(note, "verdict")
        ends.add(note.no_advice.code if note.no_advice else note.source)
    return ends


def assert_drafts_are_bounded(home):
    """What got through are children within the schema, which nobody submitted."""
    drafts = sorted((home.root / "drafts").glob("*"))
    assert len(drafts) >= 2
    for path in drafts:
        draft = parse_candidate_spec(path.read_bytes(), location=path.name)
        assert draft.candidate_id == path.stem
        assert draft.parent in {PASSING, REFUSED}
        plugin = load_strategy(draft.strategy.type, draft.strategy.version)
        declared_parameters(draft, plugin.strategy.parameters_type)
        parent = parse_candidate_spec(
            home.candidate_path(draft.parent).read_bytes(), location=draft.parent
        )
        assert draft.thesis == parent.thesis
        assert draft.strategy == parent.strategy
        assert not home.candidate_path(draft.candidate_id).exists()
