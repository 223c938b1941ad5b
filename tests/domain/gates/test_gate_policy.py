import copy
from pathlib import Path

import pytest
import yaml
from gate_evidence import POLICY_BYTES, SHIPPED_POLICY

from torghut_assets.domain.errors import BadInputError, DocumentRefusedError
from torghut_assets.domain.gates.measurements import MEASUREMENTS
from torghut_assets.domain.gates.policy import (
    GATE_IDS,
    GatePolicy,
    GatePolicyRefusedError,
    parse_gate_policy,
)

SHIPPED = yaml.safe_load(POLICY_BYTES)


def parse(document: object) -> GatePolicy:
    return parse_gate_policy(yaml.safe_dump(document).encode(), location="policy.yaml")


def limits_of(document: dict, gate: int = 0) -> list[dict]:
    return document["gates"][gate]["limits"]


def test_the_shipped_policy_has_every_gate_and_the_limits_of_the_specification():
    assert tuple(gate.gate_id for gate in SHIPPED_POLICY.gates) == GATE_IDS
    limits = {limit.name: (limit.bound, limit.limit) for limit in SHIPPED_POLICY.limits}
    assert limits["deflated_sharpe"] == ("at_least", 0.95)
    assert limits["overfitting_probability"] == ("at_most", 0.10)
    assert limits["superior_ability"] == ("at_most", 0.05)
    assert limits["folds"] == ("at_least", 5.0)
    assert limits["double_cost_expectancy"][1] > 0.0


def test_the_digest_changes_with_any_limit():
    document = copy.deepcopy(SHIPPED)
    limits_of(document)[1]["limit"] = 0.03
    assert parse(document).digest != SHIPPED_POLICY.digest
    assert parse(SHIPPED).digest == SHIPPED_POLICY.digest


def edits():
    def empty_document(document):
        document.clear()

    def no_gates(document):
        document["gates"] = []

    def empty_limits(document):
        document["gates"][1]["limits"] = []

    def missing_gate(document):
        del document["gates"][1]

    def other_order(document):
        document["gates"].reverse()

    def repeated_gate(document):
        document["gates"].append(copy.deepcopy(document["gates"][0]))

    def unknown_gate(document):
        document["gates"][0]["gate_id"] = "gate9_luck"

    def unknown_measurement(document):
        limits_of(document)[0]["measurement"] = "gut_feeling"

    def wrong_direction_low(document):
        limits_of(document)[0]["bound"] = "at_least"

    def wrong_direction_high(document):
        limits_of(document, 1)[0]["bound"] = "at_most"

    def no_bound(document):
        limits_of(document)[0]["bound"] = "about"

    def other_unit(document):
        limits_of(document, 2)[0]["unit"] = "ratio"

    def impossible_limit(document):
        limits_of(document, 2)[0]["limit"] = 30

    def negative_limit(document):
        limits_of(document)[0]["limit"] = -1

    def limit_as_text(document):
        limits_of(document)[0]["limit"] = "0"

    def no_limit(document):
        del limits_of(document)[0]["limit"]

    def duplicate_name(document):
        limits_of(document, 2)[1]["name"] = limits_of(document)[0]["name"]

    def duplicate_code(document):
        limits_of(document, 2)[1]["reason_code"] = limits_of(document)[0]["reason_code"]

    def no_source(document):
        del limits_of(document)[0]["source"]

    def short_source(document):
        limits_of(document)[0]["source"] = "me"

    def unknown_class(document):
        limits_of(document)[0]["reason_class"] = "bad luck"

    def unknown_stage(document):
        limits_of(document)[0]["required_for"] = "never"

    def nothing_for_paper(document):
        for limit in limits_of(document, 2):
            limit["required_for"] = "beyond_paper"

    def unknown_field(document):
        limits_of(document)[0]["ignore"] = True

    def no_version(document):
        del document["policy_version"]

    def version_with_markup(document):
        document["policy_version"] = "1\n<script>"

    return [value for value in locals().values() if callable(value)]


@pytest.mark.parametrize("edit", edits(), ids=lambda edit: edit.__name__)
def test_a_policy_that_could_not_refuse_is_refused(edit):
    document = copy.deepcopy(SHIPPED)
    edit(document)
    with pytest.raises(GatePolicyRefusedError) as caught:
        parse(document)
    assert "policy.yaml" in str(caught.value)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1e999"])
def test_a_limit_that_is_not_finite_is_refused(number):
    text = POLICY_BYTES.replace(b"limit: 0.02\n", f"limit: {number}\n".encode(), 1)
    assert text != POLICY_BYTES
    with pytest.raises(BadInputError):
        parse_gate_policy(text)


def test_a_document_that_breaks_the_yaml_rules_keeps_its_own_error():
    with pytest.raises(DocumentRefusedError):
        parse_gate_policy(b"a: &x 1\nb: *x\n")
    with pytest.raises(DocumentRefusedError):
        parse_gate_policy(b"")


def test_the_error_says_what_would_be_right():
    document = copy.deepcopy(SHIPPED)
    limits_of(document)[0]["bound"] = "at_least"
    with pytest.raises(GatePolicyRefusedError, match="needs at_most"):
        parse(document)


@pytest.mark.parametrize("entry", MEASUREMENTS.values(), ids=lambda entry: entry.name)
def test_a_measurement_is_fully_described(entry):
    assert entry.lowest < entry.highest
    assert entry.meaning.endswith(".")
    assert entry.records
    assert MEASUREMENTS[entry.name] is entry


def test_the_list_of_measurements_is_closed():
    with pytest.raises(TypeError):
        MEASUREMENTS["gut_feeling"] = MEASUREMENTS["folds"]


DOCUMENTED = (Path(__file__).parents[3] / "docs" / "gates.md").read_text("utf-8")


@pytest.mark.parametrize("limit", SHIPPED_POLICY.limits, ids=lambda limit: limit.name)
def test_the_documentation_states_the_shipped_limit(limit):
    """docs/gates.md has this row; after a change of policy, copy it from the failure."""
    sign = "≥" if limit.bound == "at_least" else "≤"
    row = (
        f"| `{limit.name}` | {MEASUREMENTS[limit.measurement].meaning} | "
        f"{sign} {limit.limit:,.12g} | {limit.unit} | {limit.required_for.replace('_', ' ')} | "
        f"`{limit.reason_code}` | {limit.reason_class} | {limit.source} |"
    )
    assert row in DOCUMENTED.splitlines()
