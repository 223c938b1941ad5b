"""Questions about the evidence: ledger, registers, anchors, latches."""

from collections.abc import Callable, Iterator
from pathlib import Path

from torghut_assets.domain.backtest.trial_policy import parse_trial_policy
from torghut_assets.domain.errors import BadInputError, EvidenceError, TorghutError
from torghut_assets.resources.doctor.findings import Finding, Mark, Visit
from torghut_assets.resources.kill_switch import KillSwitch
from torghut_assets.resources.ledger import Ledger
from torghut_assets.resources.ledger_place import LEDGER_URL, has_ledger
from torghut_assets.resources.order_journal import OrderJournal
from torghut_assets.resources.receipt_book import ReceiptBook
from torghut_assets.resources.register_file import RegisterBusyError
from torghut_assets.resources.trial_register import TrialRegister

_MARK_OF = {"broken": Mark.BROKEN, "suspect": Mark.ATTENTION, "notice": Mark.OK}
_MENDING = "Change nothing. docs/runbooks/failed-verification.md says how to go on."


def ledger(visit: Visit) -> Iterator[Finding]:
    """Is the ledger whole, signed by its keys, and the one that the anchor remembers?"""
    if not has_ledger(visit.home):
        anchored = visit.home.ledger_anchor_path.is_file()
        yield (
            Finding("ledger", Mark.BROKEN, "it is gone, its anchor is there", _MENDING)
            if anchored
            else Finding("ledger", Mark.ABSENT, "none yet; the first run makes it")
        )
        return
    opened = Ledger(visit.home)
    try:
        prefix = opened.verify()
        newest = prefix.last_time
    except EvidenceError as error:
        unreachable = type(error).__name__ == "LedgerUnavailableError"
        yield Finding(
            "ledger",
            Mark.ATTENTION if unreachable else Mark.BROKEN,
            str(error),
            f"See {LEDGER_URL} and the database's log." if unreachable else _MENDING,
        )
        return
    except TorghutError as error:
        yield Finding("ledger", Mark.ATTENTION, str(error), "Try again.")
        return
    finally:
        opened.close()
    found = f"{prefix.size} entries, whole and anchored, in {opened.location}"
    if newest is not None and newest > visit.now:
        yield Finding(
            "clock",
            Mark.ATTENTION,
            f"it is {visit.now:%Y-%m-%dT%H:%M:%SZ}, the ledger's last entry is of "
            f"{newest:%Y-%m-%dT%H:%M:%SZ}",
            "Set the clock: a ledger is not continued before its own time.",
        )
    yield Finding("ledger", Mark.OK, found)


def registers(visit: Visit) -> Iterator[Finding]:
    """Is every register whole, and the one that its anchor remembers?"""
    at = visit.home
    yield _register(
        "receipts",
        at.receipts_path,
        at.receipts_anchor_path,
        lambda: len(ReceiptBook(at).receipts()),
    )
    yield _register(
        "orders",
        at.order_journal_path,
        at.order_journal_anchor_path,
        lambda: len(OrderJournal(at).ledger().notes),
    )
    yield from _trials(visit)


def _register(name: str, path: Path, anchor: Path, count: Callable[[], int]) -> Finding:
    if not path.is_file() and not anchor.is_file():
        return Finding(name, Mark.ABSENT, "none yet")
    try:
        rows = count()
    except RegisterBusyError as error:
        return Finding(name, Mark.ATTENTION, str(error), "Try again.")
    except (EvidenceError, OSError) as error:
        return Finding(name, Mark.BROKEN, str(error), _MENDING)
    return Finding(name, Mark.OK, f"{rows} entries, anchored at {anchor}")


def _trials(visit: Visit) -> Iterator[Finding]:
    path, anchor = visit.home.trial_register_path, visit.home.trial_anchor_path
    if not path.is_file() and not anchor.is_file():
        yield Finding("trials", Mark.ABSENT, "none yet")
        return
    try:
        policy_file = visit.home.config_path("trial_policy")
        policy = parse_trial_policy(policy_file.read_bytes(), location=policy_file.name)
        findings = TrialRegister(path, anchor, policy).verify()
    except RegisterBusyError as error:
        yield Finding("trials", Mark.ATTENTION, str(error), "Try again.")
        return
    except BadInputError as error:
        yield Finding("trials", Mark.ATTENTION, str(error), "Correct the setting.")
        return
    except (EvidenceError, OSError) as error:
        yield Finding("trials", Mark.BROKEN, str(error), _MENDING)
        return
    for finding in findings:
        yield Finding(
            "trials",
            _MARK_OF[finding.severity],
            f"entry {finding.sequence}: {finding.code}, {finding.detail}",
            "`torghut trials verify`; docs/trials.md says what each finding means.",
        )
    if not findings:
        yield Finding("trials", Mark.OK, f"whole, anchored at {anchor}")


def latches(visit: Visit) -> Iterator[Finding]:
    """Is trading stopped, and can the latches be read?"""
    reading = KillSwitch(visit.home).reading(None)
    if reading.state == "clear":
        yield Finding("kill switch", Mark.OK, reading.detail)
    elif reading.state == "engaged":
        yield Finding(
            "kill switch",
            Mark.ATTENTION,
            reading.detail,
            "Trading is stopped. `torghut kill status`; docs/runbooks/kill-switch.md lifts it.",
        )
    else:
        yield Finding("kill switch", Mark.BROKEN, reading.detail, _MENDING)
