"""The published schemas describe what is signed, and are as the models are."""

import json
from pathlib import Path

import jsonschema
import pytest
from ledger_examples import ALICE, BOB, GENUINE, Book

import torghut_assets
from torghut_assets.domain.evidence.schemas import PREDICATES, published_schemas
from torghut_assets.domain.evidence.statement import MAY_SIGN

FOLDER = Path(torghut_assets.__file__).parent / "schemas"
PUBLISHED = published_schemas()


def a_book():
    book = Book()
    book.say()
    book.revoke(BOB, ALICE)
    return book


BOOK = a_book()


def validator(name):
    schema = json.loads((FOLDER / f"{name}.v1.json").read_text("utf-8"))
    return jsonschema.Draft202012Validator(
        schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_published_file_is_what_the_models_say(name):
    text = (FOLDER / name).read_text("utf-8")
    assert text == PUBLISHED[name], "run `make docs`"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


def test_every_kind_has_a_schema_with_a_name_of_its_own():
    assert {f"attestation-{kind}.v1.json" for kind in MAY_SIGN} <= set(PUBLISHED)
    ids = [json.loads(text)["$id"] for text in PUBLISHED.values()]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("entry", BOOK.entries, ids=lambda e: f"{e.sequence}-{e.kind}")
def test_every_entry_follows_its_schemas(entry):
    validator("ledger-entry").validate(json.loads(entry.payload))
    validator("dsse-envelope").validate(entry.envelope.plain())
    validator(f"attestation-{entry.kind}").validate(json.loads(entry.envelope.payload_bytes))
    head = json.loads(BOOK.heads[entry.sequence])
    validator("dsse-envelope").validate(head)


def test_a_tree_head_follows_its_schema():
    head = BOOK.prefix.next_head(BOOK.entries[-1])
    validator("tree-head").validate(json.loads(head.canonical_bytes()))


def approval():
    return json.loads(GENUINE.payload_bytes)


def edits():
    """Documents that no approval can be."""
    record = ("predicate", "record")
    return {
        "another kind": (("predicateType",), "https://torghut.dev/attestations/kill/v1"),
        "another record": (("predicate", "kind"), "gate-report"),
        "another version": (("predicate", "version"), 2),
        "no subject": (("subject",), []),
        "a digest in capitals": ((*record, "decision", "report_digest"), "A" * 64),
        "an unknown decision": ((*record, "decision", "kind"), "trust_me"),
        "a nonce of another length": ((*record, "nonce"), "0" * 31),
        "a negative limit": ((*record, "decision", "limits", 0, "value"), -1.0),
        "an unknown field": ((*record, "forced"), True),
        "another statement type": (("_type",), "https://in-toto.io/Statement/v0.1"),
    }


@pytest.mark.parametrize("name", edits())
def test_the_schema_refuses_what_no_approval_can_be(name):
    document, (path, value) = approval(), edits()[name]
    validator("attestation-approval").validate(document)
    inner = document
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        validator("attestation-approval").validate(document)


def test_predicates_are_of_known_kinds():
    assert set(PREDICATES) <= set(MAY_SIGN)
