"""Questions about paper sessions: a pack that decides again, two sessions, what was known then."""

import json

import pytest
from click.testing import CliRunner
from evaluated_examples import PASSING
from pack_examples import checked
from paper_home import DAYS

from torghut_assets.cli.main import torghut
from torghut_assets.domain.errors import EvidenceError

KEYS = tuple(f"{PASSING}|{day}" for day in DAYS)
SESSION_ASSETS = {"order_intents", "paper_orders", "paper_fills", "paper_tca"}


def answer(*words):
    done = CliRunner().invoke(torghut, ["audit", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def document(*words):
    return json.loads(answer(*words, "--json"))


def test_a_pack_of_a_session_decides_everything_in_it_again(traded, tmp_path):
    assert traded
    whole, light = tmp_path / "whole.zip", tmp_path / "light.zip"
    answer("export", PASSING, "--session", DAYS[1], "--out", str(whole))
    answer("export", PASSING, "--session", DAYS[1], "--without-data", "--out", str(light))
    found = checked(whole)
    assert found.not_decided == []
    decided = {(one.kind, one.subject) for one in found.decisions}
    assert decided >= {
        ("paper-gate-report", KEYS[1]),
        *(("drift-report", key) for key in KEYS),
    }
    assert {kind for kind, _ in decided} >= {"gate-report", "trial-count"}
    without = checked(light)
    assert len(without.not_decided) == len(KEYS)
    assert all(text.endswith("the pack was made without data") for text in without.not_decided)
    assert len(without.decisions) == len(found.decisions) - len(KEYS)


def test_two_sessions_are_compared_limit_by_limit(traded):
    assert traded
    found = document("diff", *KEYS)
    assert {found[side]["kind"] for side in "ab"} == {"paper-gate-report"}
    assert [found[side]["about"] for side in "ab"] == list(KEYS)
    assert not found["same"]
    names = {each["name"]: each for each in found["inputs"]}
    assert f"paper_tca of {DAYS[1]}" in names
    assert names[f"paper_tca of {DAYS[1]}"]["one"] is None
    assert "paper_deployment" not in names, "both sessions are of one deployment"
    assert not {each["aspect"] for each in found["inputs"]} & {"policy", "code"}
    assert found["moved"] or found["flipped"]
    for flip in found["flipped"]:
        assert flip["a"]["verdict"] != flip["b"]["verdict"]
        assert flip["sentence"]
    page = answer("diff", *KEYS)
    assert f"A  paper-gate-report of {KEYS[0]}" in page
    assert max(map(len, page.splitlines())) <= 80
    same = document("diff", KEYS[0], KEYS[0])
    assert (same["same"], same["flipped"], same["moved"]) == (True, [], [])


def test_two_drift_reports_are_compared_by_their_digests(traded):
    assert traded
    records = document("show", PASSING)["records"]
    drift = {r["partition"]: r["digest"] for r in records if r["asset"] == "drift_report"}
    found = document("diff", drift[KEYS[0]][:16], drift[KEYS[1]])
    assert {found[side]["kind"] for side in "ab"} == {"drift-report"}
    assert f"paper_fills of {DAYS[1]}" in {each["name"] for each in found["inputs"]}


def test_as_of_an_entry_the_later_session_was_not_known(traded):
    assert traded
    shown = document("show", PASSING)["records"]
    first = next(r for r in shown if (r["asset"], r["partition"]) == ("drift_report", KEYS[0]))
    then = document("show", PASSING, "--as-of", str(first["statement"]))
    partitions = {r["partition"] for r in then["records"]}
    assert KEYS[0] in partitions
    assert KEYS[1] not in partitions
    known = {r["asset"] for r in then["records"] if r["partition"] == KEYS[0]}
    assert known >= SESSION_ASSETS
    assert then["ledger"]["size"] == first["statement"]
    assert all(r["decision"]["session"] != DAYS[1] for r in then["receipts"])


@pytest.mark.parametrize("day", DAYS)
def test_as_of_a_time_one_session_is_shown_alone(traded, day):
    assert traded
    moment = max(r["made_at"] for r in document("show", PASSING)["records"])
    then = document("show", PASSING, "--session", day, "--as-of", moment)
    sessions = {r["partition"] for r in then["records"] if "|20" in (r["partition"] or "")}
    assert sessions == {f"{PASSING}|{day}"}
    with pytest.raises(EvidenceError, match="nothing is known"):
        answer("show", PASSING, "--session", day, "--as-of", "2001-01-01T00:00:00Z")
