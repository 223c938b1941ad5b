"""From paper to the canary in a real home: drills, two signatures, a grant, a manifest.

Everything is real but the verdicts of the sessions: store, ledger, keys, broker, webhook, commands.
"""

import http.server
import os
import sqlite3
import threading
from contextlib import closing
from types import SimpleNamespace

import pytest
import ramp_examples as ramp
import yaml
from command_line import torghut
from evaluated_examples import PASSING, SNAPSHOT
from monitored_examples import deployment_of, publish, register, sessions_of_2022, traded

from torghut_assets.cli.driver import Driver
from torghut_assets.cli.instance import instance_of
from torghut_assets.definitions import stage_desk
from torghut_assets.domain.digests import sha256_hex
from torghut_assets.domain.drift.policy import parse_drift_policy
from torghut_assets.domain.drift.records import EvidenceRef, SessionRef
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.evidence.entries import LedgerEntry
from torghut_assets.domain.gates import paper_records
from torghut_assets.domain.gates.paper_policy import parse_paper_gate_policy
from torghut_assets.domain.gates.records import GateReport
from torghut_assets.domain.orders.limits import parse_order_limits
from torghut_assets.domain.orders.policy import parse_paper_policy
from torghut_assets.domain.ramp.policy import parse_ramp_policy
from torghut_assets.domain.stages.conditions import judge
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.resources.drills import Drills
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.ramp_desk import Presented, RampDesk, settings_in_force
from torghut_assets.resources.signing_desk import SigningDesk
from torghut_assets.resources.stage_desk import Subject
from torghut_assets.resources.strategy_plugins import load_strategy

PASSPHRASE = b"correct horse battery staple"
SECRET = {"TORGHUT_KEY_PASSPHRASE": PASSPHRASE.decode()}
STEP = ("--session", sessions_of_2022(8)[-1])
RUNBOOKS = ("kill-switch", "restoring-from-backup")


class Webhook(http.server.BaseHTTPRequestHandler):
    """Answers 204 to everything."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_args):
        """Say nothing."""


@pytest.fixture
def webhook(monkeypatch):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("TORGHUT_WEBHOOK_URL", f"http://127.0.0.1:{server.server_port}/hook")
    yield
    server.shutdown()
    server.server_close()


def config(home, name):
    return home.config_path(name).read_bytes()


def enable(home, **changes):
    """Write a ramp policy with live trading on, a short burn-in and a small kill drill."""
    text = config(home, "ramp_policy").decode()
    for found, instead in (
        ("live_enabled: false", "live_enabled: true"),
        ("burn_in_sessions: 40", "burn_in_sessions: 5"),
        ("min_open_orders: 1000", "min_open_orders: 20"),
        ("max_seconds: 5", "max_seconds: 60"),
        *changes.items(),
    ):
        assert found in text
        text = text.replace(found, instead, 1)
    path = home.root / "config" / "ramp_policy.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def publish_session(home, instance, deployment, day, drift_digest):
    """Write the session's records and a drift report that passes."""
    day.publish(home, instance)
    report = ramp.drift_report(day.session).model_copy(
        update={
            "policy_digest": drift_digest,
            "inputs": (
                EvidenceRef(name="paper_deployment", digest=deployment.digest, problem=None),
            ),
            "window": (
                SessionRef(
                    session=day.session,
                    intents_digest=day.intents.digest,
                    fills_digest=day.fills.digest,
                    tca_digest=day.tca.digest,
                ),
            ),
        }
    )
    publish(home, instance, "drift_report", report, report.subject)


def publish_gate_3(home, instance, deployment, days):
    """Write a paper gate report that passes, on the sessions that were traded."""
    last = days[-1]
    report = ramp.paper_gate_report().model_copy(
        update={
            "session": last.session,
            "deployment_digest": deployment.digest,
            "policy_digest": parse_paper_gate_policy(config(home, "paper_gate_policy")).digest,
            "window": tuple(
                paper_records.SessionRef(
                    session=day.session, tca_digest=day.tca.digest, champion_tca_digest=None
                )
                for day in days
            ),
        }
    )
    publish(home, instance, "paper_gate_report", report, report.subject)
    return report


@pytest.fixture
def candidate(evaluated, monkeypatch):
    """A candidate that traded eight sessions of 2022 on paper, in a home that allows the ramp."""
    home = evaluated
    monkeypatch.setattr("torghut_assets.resources.drills._BUDGET_USD", 1e6)
    enable(home)
    plugin = load_strategy("time-series-momentum", "1.0.0")
    with instance_of(home) as instance:
        driver = Driver(home, instance)
        driver.step("settings", None)
        driver.settle(PASSING, SNAPSHOT, through="gate_report")
        report = driver.gate_report(PASSING, SNAPSHOT)
        assert isinstance(report, GateReport)
        spec = stage_desk(home).submission_of(PASSING)
        build = stage_desk(home).evidence(instance, Subject(PASSING, SNAPSHOT)).evaluation.build
        settings = settings_in_force(home)
        deployment = deployment_of(
            home,
            instance,
            gate_report_digest=report.digest,
            candidate_spec_digest=spec.digest,
            strategy_build_digest=build.digest,
            code_digest=plugin.code_digest,
            policies={name: record.digest for name, record in settings.items()},
        )
        publish(home, instance, "paper_deployment", deployment, PASSING)
        days = traded(deployment, STEP[1])
        register(instance, PASSING, [day.session for day in days])
        drift = parse_drift_policy(config(home, "drift_policy"))
        for day in days:
            publish_session(home, instance, deployment, day, drift.digest)
        gate_3 = publish_gate_3(home, instance, deployment, days)
        driver.settle_session(PASSING, STEP[1])
        yield SimpleNamespace(
            home=home,
            instance=instance,
            deployment=deployment,
            given=Presented(
                deployment,
                gate_3,
                parse_order_limits(config(home, "order_limits")),
                parse_ramp_policy(config(home, "ramp_policy")),
            ),
            driver=driver,
        )


def drilled(home, deployment, tmp_path):
    """Run every drill and sign every runbook; return the entries."""
    desk = SigningDesk(home)
    desk.new_key("person", "Alice Example", PASSPHRASE)
    waiting, _ = desk.new_key("person", "Bob Example", PASSPHRASE)
    desk.introduce(waiting, "Alice Example", PASSPHRASE)
    drills, drift = Drills(home), parse_drift_policy(config(home, "drift_policy"))
    paper = parse_paper_policy(config(home, "paper_policy"))
    entries = [
        drills.keep(drills.kill(20)),
        drills.keep(drills.rollback(deployment, paper, drift)),
        drills.keep(drills.alerts(drift)),
    ]
    for name in RUNBOOKS:
        file = tmp_path / f"{name}.md"
        file.write_text(f"# {name}\n")
        signed = ("drill", "runbook", str(file), "--key", "Alice Example")
        done = torghut(*signed, "--outcome", "done as written, all of it", **SECRET)
        assert done.returncode == 0, done.stderr
    return entries


def edit_ledger(home):
    """Change one byte of the newest statement, as somebody with the file could."""
    with closing(sqlite3.connect(home.ledger_path)) as database, database:
        database.execute("drop trigger entries_update")
        database.execute(
            "update entries set payload = cast(replace(payload, '2', '3') as blob) "
            "where sequence = (select max(sequence) from entries)"
        )


def requested(done):
    return next(line.split()[1] for line in done.stdout.splitlines() if line.startswith("request "))


def codes(done):
    return {
        word for line in done.stdout.splitlines() for word in line.split()[:1] if word.isupper()
    }


@pytest.mark.slow
def test_the_whole_way_to_the_canary(candidate, webhook, tmp_path):
    home, given = candidate.home, candidate.given
    before = torghut("ramp", "request", PASSING, *STEP)
    assert before.returncode == 1
    assert {"APPROVALS_MISSING", "RUNBOOKS_NOT_EXECUTED", "MISSING_EVIDENCE"} == codes(before)

    entries = drilled(home, candidate.deployment, tmp_path)
    assert all(isinstance(entry, LedgerEntry) for entry in entries)
    status = torghut("drill", "status")
    assert status.returncode == 0, status.stdout
    ready = torghut("ramp", "request", PASSING, *STEP)
    assert (ready.returncode, codes(ready)) == (0, {"APPROVALS_MISSING"}), ready.stdout
    digest = requested(ready)

    held = torghut("ramp", "advance", PASSING, *STEP)
    assert (held.returncode, codes(held)) == (1, {"APPROVALS_MISSING"}), held.stderr
    assert "stands at live_ramp_stage_1" in held.stdout

    changed = torghut("ramp", "approve", PASSING, *STEP, "--request", "0" * 64, **SECRET)
    assert (changed.returncode, "NOT_AS_REVIEWED" in changed.stderr) == (1, True)
    for person in ("Alice Example", "Bob Example"):
        words = ("ramp", "approve", PASSING, *STEP, "--request", digest, "--key", person)
        assert torghut(*words, **SECRET).returncode == 0
        if person == "Alice Example":
            assert torghut("ramp", "advance", PASSING, *STEP).returncode == 1

    granted = torghut("ramp", "advance", PASSING, *STEP)
    assert granted.returncode == 0, granted.stdout + granted.stderr
    assert "live_ramp_stage_1: L0 -> L1, 50000.00 USD" in granted.stdout
    assert "stands at live_ramp_stage_2_plus" in granted.stdout
    assert len(Ledger(home).entries("ramp")) == 1
    again = torghut("ramp", "advance", PASSING, *STEP)
    assert again.returncode == 0, again.stdout + again.stderr
    assert len(Ledger(home).entries("ramp")) == 1, "granted twice"

    file = tmp_path / "deploy" / "manifest.yaml"
    written = torghut("ramp", "manifest", PASSING, *STEP, "--out", str(file))
    assert written.returncode == 0, written.stderr
    assert torghut("ramp", "manifest", PASSING, *STEP, "--out", str(file)).returncode == 4
    document = yaml.safe_load(file.read_bytes())
    assert document["spec"]["level"] == {"from": "L0", "to": "L1"}
    verified = torghut("ramp", "verify", str(file))
    assert (verified.returncode, "Alice Example, Bob Example" in verified.stdout) == (0, True)
    assert "L1 since" in torghut("ramp", "status", PASSING).stdout
    grant = RampDesk(home).grant_of(PASSING)
    assert grant.manifest_digest == sha256_hex(file.read_bytes())
    file.write_bytes(file.read_bytes().replace(b"50000.0", b"90000.0"))
    assert torghut("ramp", "verify", str(file)).returncode == 3

    repeated = RampDesk(home).decide(candidate.instance, STEP[1], ramp.STAGE, given)
    desk = stage_desk(home)
    evidence = desk.evidence(candidate.instance, Subject(PASSING, SNAPSHOT, STEP[1]))
    assert repeated.grant == grant
    assert judge("two_persons_approved", evidence).outcome is Outcome.PASS
    edit_ledger(home)
    evidence = desk.evidence(candidate.instance, Subject(PASSING, SNAPSHOT, STEP[1]))
    with pytest.raises(EvidenceError, match="ledger"):
        judge("two_persons_approved", evidence)


def trade_on(candidate, n_sessions):
    """Publish the sessions up to the n-th of 2022, and gate 3 on the last; return that day."""
    home, instance, deployment = candidate.home, candidate.instance, candidate.deployment
    days = traded(deployment, sessions_of_2022(n_sessions)[-1])
    register(instance, PASSING, [day.session for day in days])
    drift = parse_drift_policy(config(home, "drift_policy"))
    for day in days:
        if not candidate.driver.was_made("paper_fills", f"{PASSING}|{day.session}"):
            publish_session(home, instance, deployment, day, drift.digest)
    publish_gate_3(home, instance, deployment, days)
    candidate.driver.settle_session(PASSING, days[-1].session)
    return days[-1].session


def climb(session):
    """Request, two signatures, advance; return the last command's result."""
    ready = torghut("ramp", "request", PASSING, "--session", session)
    assert (ready.returncode, codes(ready)) == (0, {"APPROVALS_MISSING"}), ready.stdout
    for person in ("Alice Example", "Bob Example"):
        words = ("ramp", "approve", PASSING, "--session", session, "--request", requested(ready))
        signed = torghut(*words, "--key", person, **SECRET)
        assert signed.returncode == 0, signed.stderr
    return torghut("ramp", "advance", PASSING, "--session", session)


@pytest.mark.heavy
def test_from_the_canary_to_half_the_budget(candidate, webhook, tmp_path):
    """Each level after its burn-in, under signatures of its own, never two levels at once."""
    own = candidate.home.root / "config" / "ramp_policy.yaml"
    own.write_text(own.read_text().replace("burn_in_sessions: 20", "burn_in_sessions: 2"))
    candidate.given = candidate.given._replace(
        policy=parse_ramp_policy(config(candidate.home, "ramp_policy"))
    )
    drilled(candidate.home, candidate.deployment, tmp_path)
    first = climb(STEP[1])
    assert "live_ramp_stage_1: L0 -> L1, 50000.00 USD" in first.stdout, first.stdout

    early = torghut("ramp", "request", PASSING, *STEP)
    assert early.returncode == 1
    assert "BURN_IN_TOO_SHORT" in codes(early)

    for n_sessions, words in (
        (11, "live_ramp_stage_2_plus: L1 -> L2, 250000.00 USD"),
        (14, "live_ramp_stage_2_plus: L2 -> L3, 500000.00 USD"),
    ):
        session = trade_on(candidate, n_sessions)
        granted = climb(session)
        assert granted.returncode == 0, granted.stdout + granted.stderr
        assert words in granted.stdout
        assert "stands at live_ramp_stage_2_plus" in granted.stdout
    assert [g.predicate.record["level_to"] for g in statements(candidate.home)] == [
        "L1",
        "L2",
        "L3",
    ]
    last = trade_on(candidate, 16)
    beyond = torghut("ramp", "advance", PASSING, "--session", last)
    assert beyond.returncode == 1
    assert "L3 -> L3, 500000.00 USD" in beyond.stdout


def statements(home):
    """Statements of the grants, in the ledger's order."""
    return [entry.statement for entry in Ledger(home).entries("ramp")]


def test_as_shipped_the_first_reason_is_that_live_trading_is_off(candidate):
    (candidate.home.root / "config" / "ramp_policy.yaml").unlink()
    done = torghut("ramp", "request", PASSING, *STEP)
    shown = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  LIVE")]
    first = done.stdout.split("gate5_live_ramp_readiness: fail\n")[1].split()[0]
    assert (done.returncode, shown, first) == (1, ["LIVE_DISABLED"], "LIVE_DISABLED")


def asked(candidate, **changes):
    """The gates on the candidate's step, with some of what was given replaced."""
    given = candidate.given._replace(**changes)
    return RampDesk(candidate.home).request(candidate.instance, STEP[1], ramp.STAGE, given)


def test_one_lost_record_anywhere_in_the_chain_stops_the_step(candidate):
    store, inputs = candidate.home.store, candidate.deployment.backtest_metrics_digest
    _, gates, _ = asked(candidate)
    assert ramp.limit_of(gates, "unresolved_evidence").measured == 0.0
    path = store.path_of(inputs)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    _, gates, _ = asked(candidate)
    limit = ramp.limit_of(gates, "unresolved_evidence")
    assert limit.measured == 1.0
    assert "backtest_metrics_digest" in limit.details[0]
    path.unlink()
    _, gates, _ = asked(candidate)
    assert ramp.limit_of(gates, "unresolved_evidence").measured >= 1.0


def test_a_setting_that_changed_since_the_deployment_is_named(candidate):
    text = config(candidate.home, "order_limits").decode()
    own = candidate.home.root / "config" / "order_limits.yaml"
    own.write_text(text.replace("max_messages: 100", "max_messages: 99"))
    _, gates, _ = asked(candidate)
    limit = ramp.limit_of(gates, "configuration_differences")
    assert limit.measured == 1.0
    assert limit.details[0].startswith("order_limits: deployed")


def test_what_cannot_be_parsed_is_nothing_to_compare_with(candidate):
    (candidate.home.root / "config" / "order_limits.yaml").write_text("nonsense: 1\n")
    _, gates, _ = asked(candidate)
    assert ramp.limit_of(gates, "configuration_differences").reason.code == "MISSING_EVIDENCE"


def test_a_broken_ledger_and_a_broken_journal_stop_the_step(candidate):
    SigningDesk(candidate.home).new_key("person", "Alice Example", PASSPHRASE)
    edit_ledger(candidate.home)
    candidate.home.order_journal_path.write_bytes(os.urandom(4_096))
    _, gates, refusals = asked(candidate)
    assert ramp.limit_of(gates, "ledger_faults").reason.code == "LEDGER_BROKEN"
    assert ramp.limit_of(gates, "order_journal_faults").reason.code == "ORDER_JOURNAL_BROKEN"
    assert refusals


def test_a_session_that_was_not_traded_has_no_request(candidate):
    done = torghut("ramp", "request", PASSING, "--session", "2022-06-01")
    assert (done.returncode, "was not traded" in done.stderr) == (3, True)
    done = torghut("ramp", "manifest", PASSING, *STEP, "--out", "x.yaml")
    assert (done.returncode, "NOT_GRANTED" in done.stderr) == (1, True)
    assert "no capital was ever granted" in torghut("ramp", "status", PASSING).stdout
