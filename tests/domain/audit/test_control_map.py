"""The shipped control map names only what exists, and says what it does not know."""

import json
from pathlib import Path

import click
import pytest
import yaml

from torghut_assets.cli.main import torghut
from torghut_assets.definitions import HELD, build_definitions
from torghut_assets.domain.audit.controls import (
    ControlEvidenceMap,
    evidence_for,
    parse_control_map,
    unknown_names,
)
from torghut_assets.domain.audit.controls_markdown import map_markdown
from torghut_assets.domain.audit.controls_page import controls_page
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.records import Record


def shipped(home):
    return home.config_path("control_map").read_bytes()


def record_kinds():
    found, waiting = set(), [Record]
    while waiting:
        model = waiting.pop()
        found.add(model.record_kind)
        waiting += model.__subclasses__()
    return frozenset(found - {""})


def commands(group, path="torghut"):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield f"{path} {name}"
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def test_every_record_kind_check_and_command_of_the_map_exists(home):
    assert HELD
    graph = build_definitions(home).resolve_asset_graph()
    checks = {f"{k.asset_key.to_user_string()}:{k.name}" for k in graph.asset_check_keys}
    missing = unknown_names(
        parse_control_map(shipped(home)),
        record_kinds=record_kinds(),
        checks=frozenset(checks),
        commands=frozenset(commands(torghut)),
    )
    assert missing == ()


def test_a_name_that_does_not_exist_is_found(home):
    control_map = parse_control_map(shipped(home))
    missing = unknown_names(
        control_map, record_kinds=frozenset(), checks=frozenset(), commands=frozenset()
    )
    named = [n for r in control_map.requirements for n in (*r.record_kinds, *r.checks, *r.commands)]
    assert len(missing) == len(named)


@pytest.mark.parametrize(
    "clause",
    [f"Article {n}" for n in range(5, 19)] + ["Article 28 and Annex II"],
)
def test_every_article_of_rts_6_that_was_asked_for_is_mapped(home, clause):
    rules = parse_control_map(shipped(home)).rules
    (rts6,) = [rule for rule in rules if rule.rule.startswith("MiFID II RTS 6")]
    assert clause in [r.clause for r in rts6.requirements]


def test_an_empty_home_evidences_nothing_and_the_page_says_so(home):
    found = evidence_for(parse_control_map(shipped(home)), {}, lambda _: None)
    page = "\n".join(controls_page(found))
    assert len(found.not_evidenced) == len(found.found)
    assert page.count("NOT EVIDENCED") == len(found.found)
    assert "no claim of compliance" in " ".join(page.split())
    assert max(map(len, page.splitlines())) <= 80


def test_some_kinds_are_evidence_in_part_and_all_are_evidence(home):
    control_map = parse_control_map(shipped(home))
    wanted = next(r for r in control_map.requirements if len(r.record_kinds) > 1)
    newest = "a" * 64

    def status(counts):
        found = evidence_for(control_map, counts, lambda _: newest).found
        return next(f.status for f in found if f.requirement_id == wanted.requirement_id)

    assert status({wanted.record_kinds[0]: 3}) == "evidence found in part"
    assert status(dict.fromkeys(wanted.record_kinds, 1)) == "evidence found"


def test_a_map_with_answers_to_other_requirements_is_no_record(home):
    found = evidence_for(parse_control_map(shipped(home)), {}, lambda _: None)
    data = found.model_dump(mode="json")
    data["found"] = data["found"][1:]
    with pytest.raises(ValueError, match="not those to the requirements"):
        ControlEvidenceMap.model_validate_json(json.dumps(data))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record_kinds": [], "gap": None}, "no record kind and no gap"),
        ({"record_kinds": ["gate-report", "gate-report"]}, "listed twice"),
        ({"surprise": 1}, "surprise"),
        ({"requirement_id": "rts6-art6"}, "listed twice"),
    ],
)
def test_a_map_that_breaks_a_rule_is_refused_by_name(home, change, message):
    data = yaml.safe_load(shipped(home))
    data["rules"][1]["requirements"][0] |= change
    with pytest.raises(BadInputError, match=message):
        parse_control_map(yaml.safe_dump(data).encode())


def test_the_page_of_the_documentation_is_that_of_the_map(home):
    page = Path(__file__).parents[3] / "docs" / "regulatory-map.md"
    assert page.read_text() == map_markdown(parse_control_map(shipped(home)))
    assert "no claim of compliance" in page.read_text()
