"""A failing report takes the candidate out at the real replay broker; crashes change nothing."""

import http.server
import json
import threading
from typing import ClassVar

import dagster as dg
import pytest
from evaluated_examples import PASSING
from monitored_examples import SYMBOLS, sessions_of_2022
from rollback_examples import HELD, deployed

from torghut_assets.domain.rollback.records import IncidentReport, RollbackPlan, RollbackReceipt
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.brokers.replay import ReplayBroker
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.lineage import current_record
from torghut_assets.resources.rollback_desk import RollbackDesk


@pytest.fixture
def failing(evaluated):
    """A candidate that holds shares, has an open order, and whose fifth report fails."""
    days = sessions_of_2022(6)
    with deployed(evaluated) as candidate:
        candidate.buy(days[0])
        candidate.sessions(5, crash_from=days[0])
        for day in days[:5]:
            report = candidate.report(day)
        assert report.verdict is Verdict.FAIL
        candidate.key = candidate.leave_open(days[5])
        candidate.failed = report
        yield candidate


def record(candidate, model, asset):
    found = current_record(
        candidate.instance,
        candidate.home.store,
        model,
        dg.AssetKey(asset),
        candidate.failed.subject,
    )
    assert found is not None
    return found


def test_it_cancels_closes_reads_back_and_reports(failing, monkeypatch):
    monkeypatch.delenv("TORGHUT_WEBHOOK_URL", raising=False)
    result = failing.roll_back(failing.failed.session)
    assert result.success
    plan = record(failing, RollbackPlan, "rollback_plan")
    receipt = record(failing, RollbackReceipt, "rollback_receipt")
    incident = record(failing, IncidentReport, "incident_report")
    assert plan.answers == {failing.failed.digest}
    assert [o.key for o in plan.cancels] == [failing.key]
    assert plan.restores is None
    assert receipt.in_force_digest is None
    assert receipt.differences == ()
    assert receipt.problems == ()
    assert receipt.verdict is Verdict.PASS
    assert failing.broker.holdings().shares == {}
    assert failing.broker.open_orders() == ()
    closed = {o.symbol: o for o in receipt.orders if o.purpose == "flatten"}
    assert {s: o.filled for s, o in closed.items()} == dict.fromkeys(SYMBOLS, HELD)
    assert {o.status for o in receipt.orders} == {"filled", "cancelled"}
    assert incident.returns_to == "research_intake"
    assert incident.incident_class in ("B", "C")
    assert not incident.demands_kill_switch
    assert {e.name for e in incident.evidence} == {
        "rollback_plan",
        "rollback_receipt",
        "drift_report",
    }
    assert [n.outcome for n in incident.notifications] == ["delivered", "not_configured"]
    assert any("cancelled" in e.what for e in incident.timeline)
    (check,) = result.get_asset_check_evaluations()
    assert check.passed


def test_running_it_again_changes_nothing(failing):
    failing.roll_back(failing.failed.session)
    equity = failing.broker.holdings().equity_usd
    again = failing.roll_back(failing.failed.session)
    assert again.success
    assert failing.made("rollback_plan") == failing.made("rollback_receipt") == 1
    assert failing.broker.holdings().equity_usd == equity


@pytest.mark.parametrize("moment", ["route", "end_session", "settle", "cancel_open"])
def test_a_crash_at_any_point_is_followed_by_one_that_goes_on(failing, monkeypatch, moment):
    """The process dies right after a step; the next run finishes and nothing is sold twice."""

    class Died(BaseException):
        pass

    owner = ReplayBroker if moment == "end_session" else unwind_desk()
    real = getattr(owner, moment)

    def dies(self, *args, **kwargs):
        real(self, *args, **kwargs)
        raise Died

    with monkeypatch.context() as patch:
        patch.setattr(owner, moment, dies)
        with pytest.raises(BaseException):  # noqa: B017, PT011 - Dagster may wrap what we raise
            failing.roll_back(failing.failed.session)
    assert failing.made("rollback_receipt") == 0
    assert failing.roll_back(failing.failed.session).success
    receipt = record(failing, RollbackReceipt, "rollback_receipt")
    assert receipt.verdict is Verdict.PASS
    assert failing.broker.holdings().shares == {}
    flattened = [o for o in receipt.orders if o.purpose == "flatten"]
    assert sorted(o.symbol for o in flattened) == sorted(SYMBOLS)


def unwind_desk():
    from torghut_assets.resources.brokers.routing import OrderDesk

    return OrderDesk


def test_a_broker_that_cannot_be_asked_leaves_the_state_unknown_and_stops_everything(
    failing, monkeypatch
):
    def broken(self):
        raise unwind_unavailable()

    with monkeypatch.context() as patch:
        patch.setattr(ReplayBroker, "holdings", broken)
        assert failing.roll_back(failing.failed.session).success
    receipt = record(failing, RollbackReceipt, "rollback_receipt")
    incident = record(failing, IncidentReport, "incident_report")
    assert receipt.state == "unknown"
    assert receipt.read_back is None
    assert receipt.verdict is Verdict.INCONCLUSIVE
    assert incident.incident_class == "A"
    assert incident.demands_kill_switch
    switch = KillSwitch(failing.home).reading(None)
    assert switch.state == "engaged"
    assert incident.kill_latch_digest in {latch.digest for latch in switch.engaged}


def unwind_unavailable():
    from torghut_assets.resources.brokers.interface import BrokerUnavailableError

    return BrokerUnavailableError(broker="replay", detail="the line is dead")


def test_without_a_reason_nothing_is_taken_out(evaluated):
    days = sessions_of_2022(1)
    with deployed(evaluated) as candidate:
        candidate.buy(days[0])
        candidate.sessions(1)
        assert candidate.report(days[0]).verdict is Verdict.PASS
        result = candidate.roll_back(days[0], raise_on_error=False)
        assert not result.success
        assert candidate.made("rollback_plan") == 0
        assert candidate.broker.holdings().shares == dict.fromkeys(SYMBOLS, HELD)


def test_two_daemons_that_launch_the_same_rollback_make_one(failing):
    """The second run starts while the first is at work and makes nothing."""
    first = RollbackDesk(failing.home)
    other = failing.instance.create_run_for_job(
        failing.definitions.resolve_job_def("roll_back"), status=dg.DagsterRunStatus.STARTED
    )
    assert first.claim(failing.instance, failing.failed.subject, other.run_id)
    assert failing.roll_back(failing.failed.session).success
    assert failing.made("rollback_plan") == failing.made("rollback_receipt") == 0
    first.release(other.run_id)  # its process is gone without an end of the run
    assert failing.roll_back(failing.failed.session).success
    assert failing.made("rollback_plan") == failing.made("rollback_receipt") == 1


def test_a_second_report_that_fails_is_answered_by_a_second_rollback(failing):
    failing.roll_back(failing.failed.session)
    again = failing.failed.model_copy(update={"code_version": "another"})
    assert again.digest != failing.failed.digest
    from monitored_examples import publish

    publish(failing.home, failing.instance, "drift_report", again, again.subject)
    assert failing.roll_back(failing.failed.session).success
    assert failing.made("rollback_receipt") == 2
    assert record(failing, RollbackReceipt, "rollback_receipt").verdict is Verdict.PASS


class _Heard(http.server.BaseHTTPRequestHandler):
    heard: ClassVar[list[dict]] = []
    status = 204

    def do_POST(self):
        payload = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append(json.loads(payload))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.mark.parametrize(("status", "outcome"), [(204, "delivered"), (500, "failed")])
def test_a_webhook_is_told_and_its_failure_blocks_nothing(failing, monkeypatch, status, outcome):
    handler = type("Handler", (_Heard,), {"heard": [], "status": status})
    server = http.server.HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        monkeypatch.setenv("TORGHUT_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/hook")
        assert failing.roll_back(failing.failed.session).success
    finally:
        server.shutdown()
        server.server_close()
    incident = record(failing, IncidentReport, "incident_report")
    assert [n.outcome for n in incident.notifications] == ["delivered", outcome]
    (message,) = handler.heard
    assert message["subject"] == f"{PASSING}|{failing.failed.session}"
    assert message["incident_class"] == incident.incident_class
    assert message["state"] == "restored"
