"""Every way in which store, ledger and event log can disagree is named, and nothing else is."""

from hypothesis import given
from hypothesis import strategies as st

from torghut_assets.domain.evidence.reconciliation import (
    Findings,
    Reported,
    Stated,
    compare,
    compare_register,
)

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
WHOLE = {A: "intact", B: "intact", C: "intact"}


def stated(sequence=1, digest=A, **changes):
    fields = {
        "sequence": sequence,
        "asset": "gate_report",
        "partition": "x|y",
        "digest": digest,
        "statement_digest": f"{sequence:064d}",
        "files": {},
        "late": False,
    }
    return Stated(**{**fields, **changes})


def reported(order=1, of=None, **changes):
    of = of or stated()
    fields = {
        "order": order,
        "asset": of.asset,
        "partition": of.partition,
        "digest": of.digest,
        "sequence": of.sequence,
        "statement_digest": of.statement_digest,
    }
    return Reported(**{**fields, **changes})


def codes(*arguments):
    found = compare(*arguments)
    return [(d.code, d.heal) for d in found.differences], [n.code for n in found.notes]


def test_what_agrees_has_no_findings():
    one, two = stated(1), stated(2, B, files={"frame_digest": C})
    assert compare([one, two], [reported(1, one), reported(2, two)], WHOLE) == Findings((), ())
    assert compare([], [], {}) == Findings((), ())


def test_an_event_without_a_statement_is_stated_late_if_its_record_is_intact():
    event = reported(sequence=None, statement_digest=None)
    assert codes([], [event], WHOLE) == ([("statement_missing", "late_statement")], [])
    found, _ = codes([], [event], {})
    assert found == [("record_missing", "none"), ("statement_missing", "none")]
    found, _ = codes([], [event], {A: "altered"})
    assert found == [("record_altered", "none"), ("statement_missing", "none")]


def test_a_late_statement_is_a_note_and_changes_no_order():
    """It is the newest entry and says nothing about which record is current."""
    old, new, late = stated(1), stated(2, B), stated(3, C, late=True)
    events = [
        reported(1, old),
        reported(2, digest=C, sequence=None, statement_digest=None),
        reported(3, new),
    ]
    assert codes([old, new, late], events, WHOLE) == ([], ["late_statement"])
    only_late = [stated(1, late=True)]
    event = reported(sequence=None, statement_digest=None)
    assert codes(only_late, [event], WHOLE) == ([], ["late_statement"])
    current = [events[0], events[2], events[1]._replace(order=4)]
    assert codes([old, new, late], current, WHOLE) == ([], ["late_statement"])


def test_a_statement_without_an_event_is_reported_again():
    assert codes([stated()], [], WHOLE) == ([("event_missing", "report_event")], [])
    assert codes([stated()], [], {})[0][1] == ("event_missing", "none")
    other = reported(partition="x|z")
    found, _ = codes([stated()], [other], WHOLE)
    assert ("event_missing", "report_event") in found


def test_a_crash_that_a_later_run_overtook_is_a_note():
    crashed, again = stated(1, A), stated(2, B)
    assert codes([crashed, again], [reported(1, again)], WHOLE) == ([], ["overtaken_statement"])
    same = stated(2, A)
    assert codes([stated(1), same], [reported(1, same)], WHOLE) == ([], [])


def test_a_log_that_points_back_is_named():
    """Somebody deleted the newest event, or put an old one after it."""
    old, new = stated(1, A), stated(2, B)
    newest_gone = [reported(1, old)]
    assert codes([old, new], newest_gone, WHOLE)[0] == [("event_missing", "report_event")]
    put_after = [reported(1, old), reported(2, new), reported(3, old)]
    assert codes([old, new], put_after, WHOLE)[0] == [("index_behind", "report_event")]


def test_an_event_that_names_another_statement_is_a_contradiction():
    one = stated(1)
    for forged in (
        reported(1, one, sequence=9),
        reported(1, one, digest=B),
        reported(1, one, statement_digest=C),
        reported(1, one, asset="backtest_metrics"),
        reported(1, one, partition=None),
    ):
        found, _ = codes([one], [reported(0, one), forged], WHOLE)
        assert ("statement_contradicted", "none") in found


def test_bytes_are_named_once_with_what_they_belong_to():
    one = stated(1, files={"frame_digest": B})
    event = reported(1, one)
    found = compare([one, stated(2)], [event, reported(2, stated(2))], {A: "intact"}).differences
    assert [(d.code, d.subject) for d in found] == [
        ("file_missing", "frame_digest of gate_report[x|y]")
    ]
    found, _ = codes([one], [event], {A: "altered", B: "altered", C: "altered"})
    assert [code for code, _ in found] == ["record_altered", "file_altered", "artifact_altered"]


PARTITIONS = st.sampled_from(["p", "q", None])
DIGESTS = st.sampled_from([A, B, C])


@given(st.lists(st.tuples(PARTITIONS, DIGESTS, st.sampled_from(["both", "statement"])), max_size=9))
def test_reporting_and_stating_what_is_missing_leaves_no_difference(history):
    """Whatever runs were killed before their event: healing once is enough, and changes what is
    current only to what was stated last."""
    statements, events = [], []
    for number, (partition, digest, written) in enumerate(history, start=1):
        one = stated(number, digest, partition=partition)
        statements.append(one)
        if written == "both":
            events.append(reported(number, one))
    found = compare(statements, events, WHOLE)
    for difference in found.differences:
        assert difference.heal == "report_event"
        events.append(reported(len(history) + len(events) + 1, difference.stated))
    assert compare(statements, events, WHOLE).differences == ()
    for partition in {one.partition for one in statements}:
        current = max((e for e in events if e.partition == partition), key=lambda e: e.order)
        last = [one for one in statements if one.partition == partition][-1]
        assert current.digest == last.digest


def test_a_register_must_hold_what_the_ledger_names():
    assert compare_register("trials", {1: A, 2: B}, {1: A, 2: B}) == ()
    (unstated,) = compare_register("trials", {1: A}, {1: A, 2: B, 3: C})
    assert (unstated.code, unstated.heal) == ("register_unstated", "catch_up")
    assert "entries 2 to 3" in unstated.detail
    (lost,) = compare_register("trials", {1: A, 2: B}, {1: A})
    assert (lost.code, lost.heal) == ("register_lost", "none")
    rewritten = compare_register("trials", {1: A, 2: B}, {1: A, 2: C, 3: C})
    assert [d.code for d in rewritten] == ["register_contradicted", "register_unstated"]
    assert {d.heal for d in rewritten} == {"none"}, "a rewritten register is not stated further"
