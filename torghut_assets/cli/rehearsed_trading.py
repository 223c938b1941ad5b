"""The paths of a rehearsal on which a candidate trades: on paper, and back out again.

Orders go to the replay broker, which fills them from real bars of January 2022. Nobody is told
of a rehearsed incident: the webhook's address is taken out of the environment meanwhile.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

from torghut_assets.cli.candidate import submit
from torghut_assets.cli.rehearsed_home import (
    RehearsalFailedError,
    RehearsedHome,
    child_of,
)
from torghut_assets.cli.session import line, trade
from torghut_assets.definitions import JOB_OF_STEP, build_definitions
from torghut_assets.domain.drift.policy import parse_drift_policy
from torghut_assets.domain.drift.records import DriftReport
from torghut_assets.domain.orders.records import OrderIntents
from torghut_assets.domain.rollback.records import IncidentReport, RollbackPlan, RollbackReceipt
from torghut_assets.domain.stages.evidence import Outcome
from torghut_assets.domain.verdicts import Verdict
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.stage_desk import Subject

PASSES: Final = "tsmom-megacaps-v1"
DRIFTS: Final = "slow-trend-megacaps-v1"
_PAPER: Final = "shadow_paper_deployment"
_MONITORING: Final = "continuous_monitoring"
_RAMP: Final = {
    "ramp_stage_1": "live_ramp_stage_1",
    "ramp_stage_2_plus": "live_ramp_stage_2_plus",
}
_DAYS: Final = ("2022-01-03", "2022-01-04", "2022-01-05")
_DECLINE: Final = ("2022-01-20", "2022-01-21")
_ALL_RESTRICTED: Final = (
    b"restricted_symbols: []",
    b"restricted_symbols: [AAPL, AMZN, GOOG, META, NFLX, NVDA]",
)
_WITHOUT_LOG: Final = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
_LOSS_OF_4_PERCENT_FAILS: Final = (
    b"degrade: 0.03\n    fail: 0.07",
    b"degrade: 0.03\n    fail: 0.04",
)
"""On 21 January 2022 Netflix lost a fifth of its price; who held it equally lost 4 to 5 %."""


def paper(path: RehearsedHome) -> None:
    """A candidate that passed is admitted, trades on paper, and is held there for more evidence."""
    path.evaluate(PASSES)
    path.must_stand(PASSES, _PAPER, Outcome.PASS)
    _nothing_before_a_deployment(path)
    _nothing_past_a_guardrail(path)
    for day in _DAYS:
        if day == _DAYS[-1]:
            _no_session_is_left_out(path)
        _trade(path, PASSES, day)
        path.must_stand(PASSES, _PAPER, Outcome.INCONCLUSIVE)
    noted = _noted(path)
    _trade(path, PASSES, _DAYS[-1])
    if _noted(path) != noted:
        raise RehearsalFailedError(f"{_DAYS[-1]} was traded again: {noted}, then {_noted(path)}")
    path.say(f"same     {_DAYS[-1]} again: {noted[0]} receipts and {noted[1]} orders, as before")
    path.validate_stages()
    _no_capital_on_three_sessions(path)
    if _monitored(path, PASSES, _DAYS[-1]) is Outcome.FAIL:
        raise RehearsalFailedError("the monitor fails a candidate that its receipts keep trading")


def rollback(path: RehearsedHome) -> None:
    """A deployed candidate drifts, is taken back once, and only a child that says why follows."""
    policy = parse_drift_policy(path.change_setting("drift_policy", *_LOSS_OF_4_PERCENT_FAILS))
    path.evaluate(DRIFTS)
    with _without(policy.webhook.url_variable):
        day = _trade_until_it_drifts(path)
        path.must_stand(DRIFTS, "research_intake", Outcome.PASS)
        incident = _require_rolled_back(path, f"{DRIFTS}|{day}")
        path.validate_stages()
        if _monitored(path, DRIFTS, day) is not Outcome.FAIL:
            raise RehearsalFailedError("the monitor does not fail a candidate that drifted")
        _roll_back_again(path, day)
    _only_a_child_may_follow(path, incident)


def _nothing_before_a_deployment(path: RehearsedHome) -> None:
    first = f"{PASSES}|{_DAYS[0]}"
    path.driver.open_session(_DAYS[0])
    path.driver.step("settings", None)
    path.must_refuse(
        "order_intents before a deployment", lambda: path.driver.step("session", first)
    )


def _nothing_past_a_guardrail(path: RehearsedHome) -> None:
    """A restricted symbol blocks the session; under the limits as shipped it is admitted anew."""
    shipped = path.change_setting("order_limits", *_ALL_RESTRICTED)
    partition, driver = f"{PASSES}|{_DAYS[0]}", path.driver
    driver.step("settings", None)
    driver.step("deployment", PASSES)
    path.must_refuse("orders in restricted symbols", lambda: driver.step("session", partition))
    intents = driver.require_record(OrderIntents, "order_intents", partition)
    if "restricted" not in {finding.rule for finding in intents.blocked_by}:
        raise RehearsalFailedError(f"{partition}: no guardrail blocks restricted symbols")
    path.must_refuse(
        "paper_orders past a guardrail that blocks",
        lambda: path.desk.guard(path.instance, "paper_orders", partition),
    )
    if OrderJournal(path.home).ledger().orders:
        raise RehearsalFailedError(f"{partition}: an order was claimed past its guardrail")
    path.put_setting("order_limits", shipped)
    path.say("setting  order_limits: as shipped again")


def _no_session_is_left_out(path: RehearsedHome) -> None:
    """The session after the next one cannot be traded first."""
    driver, skipped = path.driver, "2022-01-06"
    driver.open_session(skipped)
    path.must_refuse(
        f"{skipped} before {_DAYS[-1]}", lambda: driver.step("session", f"{PASSES}|{skipped}")
    )


def _no_capital_on_three_sessions(path: RehearsedHome) -> None:
    """Neither stage of the ramp is entered, and its validator finds nothing that passes."""
    partition = f"{PASSES}|{_DAYS[-1]}"
    for asset, stage in _RAMP.items():
        if not path.desk.pipeline.stage(stage).active:
            continue
        path.must_refuse(
            f"{asset} after three sessions",
            partial(path.desk.guard, path.instance, asset, partition),
        )
        found = _judged(path, stage, PASSES, _DAYS[-1])
        if found in {Outcome.PASS, Outcome.FAIL}:
            raise RehearsalFailedError(f"{stage}: {found.value} on three sessions of paper trading")


def _trade(path: RehearsedHome, candidate: str, day: str) -> bool:
    """Trade a session, say what it came to, and return whether the candidate was taken out."""
    known = len(path.desk.book.receipts())
    result = trade(path.driver, candidate, day)
    path.say(f"ran      session {line(result)}")
    path.say_receipts(path.desk.book.receipts()[known:])
    return result.rolled_back


def _noted(path: RehearsedHome) -> tuple[int, int]:
    """Return how many receipts and how many orders there are."""
    return len(path.desk.book.receipts()), len(OrderJournal(path.home).ledger().orders)


def _monitored(path: RehearsedHome, candidate: str, day: str) -> Outcome:
    """Return what the stage that watches finds on a session's records."""
    return _judged(path, _MONITORING, candidate, day)


def _judged(path: RehearsedHome, stage: str, candidate: str, day: str) -> Outcome:
    """Ask the validator of a stage that no receipt leads to about a session's records."""
    found = path.examine(stage, Subject(candidate, None, day))
    path.say(f"valid    {stage} of {candidate} in {day}: {found.value}")
    return found


def _trade_until_it_drifts(path: RehearsedHome) -> str:
    """Trade until a session's reports take the candidate out; return that session."""
    for day in _DECLINE:
        if _trade(path, DRIFTS, day):
            return day
    raise RehearsalFailedError(f"{DRIFTS} traded {_DECLINE[0]} to {_DECLINE[-1]} and did not drift")


def _require_rolled_back(path: RehearsedHome, partition: str) -> IncidentReport:
    """Return the incident, if the report fails and the broker holds nothing any more."""
    driver = path.driver
    drift = driver.require_record(DriftReport, "drift_report", partition)
    plan = driver.require_record(RollbackPlan, "rollback_plan", partition)
    receipt = driver.require_record(RollbackReceipt, "rollback_receipt", partition)
    incident: IncidentReport = driver.require_record(IncidentReport, "incident_report", partition)
    read = receipt.read_back
    flat = read is not None and not any(h.quantity for h in read.holdings) and not read.open_orders
    if drift.verdict is not Verdict.FAIL or drift.digest not in plan.answers:
        raise RehearsalFailedError(f"{partition}: the rollback answers no failing drift report")
    if not any(holding.quantity for holding in plan.known_holdings):
        raise RehearsalFailedError(f"{partition}: nothing was held, so nothing was taken back")
    if not flat or receipt.state != "restored":
        raise RehearsalFailedError(f"{partition}: the broker was not read back flat")
    for name, record in (
        ("drift_report", drift),
        ("rollback_plan", plan),
        ("rollback_receipt", receipt),
        ("incident_report", incident),
    ):
        path.say(f"made     {name} {record.digest[:16]}")
    path.say(f"because  {'; '.join(trigger.detail for trigger in plan.triggers)}")
    held = ", ".join(f"{h.symbol} {h.quantity}" for h in plan.known_holdings if h.quantity)
    path.say(f"flat     held {held}; the broker now holds nothing, and no order is open")
    path.say(f"incident class {incident.incident_class}: {incident.corrective_action}")
    return incident


def _roll_back_again(path: RehearsedHome, day: str) -> None:
    """The job runs once more, as a sensor that lost its cursor asks for; nothing is added."""
    partition, noted = f"{DRIFTS}|{day}", _noted(path)
    before = path.driver.require_record(RollbackReceipt, "rollback_receipt", partition)
    job = build_definitions(path.home).resolve_job_def(JOB_OF_STEP["rollback"])
    job.execute_in_process(instance=path.instance, partition_key=partition, run_config=_WITHOUT_LOG)
    path.say_receipts(path.driver.settle_session(DRIFTS, day))
    after = path.driver.require_record(RollbackReceipt, "rollback_receipt", partition)
    if (_noted(path), after.digest) != (noted, before.digest):
        raise RehearsalFailedError(f"{partition}: the second rollback was not the first again")
    path.say(f"same     the job again: {noted[0]} receipts, {noted[1]} orders, as before")


def _only_a_child_may_follow(path: RehearsedHome, incident: IncidentReport) -> None:
    path.must_refuse(
        f"{DRIFTS} once more", lambda: path.desk.guard(path.instance, "candidate_spec", DRIFTS)
    )
    path.decide_intake(DRIFTS, Outcome.FAIL, "research_intake")
    for child, cites in (("without-reasons", "0" * 64), ("with-reasons", incident.digest)):
        name = f"slow-trend-child-{child}"
        submit(path.home, child_of(DRIFTS, name, cites), f"{name}.yaml")
    refused, accepted = "slow-trend-child-without-reasons", "slow-trend-child-with-reasons"
    path.must_refuse(refused, lambda: path.build(refused))
    path.build(accepted)
    path.decide_intake(accepted, Outcome.PASS, "candidate_build")
    path.validate_stages()


@contextmanager
def _without(variable: str) -> Iterator[None]:
    """Take a variable out of the environment for a while."""
    value = os.environ.pop(variable, None)
    try:
        yield
    finally:
        if value is not None:
            os.environ[variable] = value
