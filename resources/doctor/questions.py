"""All questions, in the order in which they are asked. A new one is a line here."""

from typing import Final

from torghut_assets.resources.doctor import dagster, evidence, machine, state
from torghut_assets.resources.doctor.findings import Finding, Question, Visit

QUESTIONS: Final[tuple[Question, ...]] = (
    machine.python,
    machine.packages,
    machine.kernels,
    machine.disk,
    machine.clock,
    state.home,
    state.keys,
    state.secrets,
    state.store,
    evidence.ledger,
    evidence.registers,
    evidence.latches,
    dagster.instance,
)


def examine(visit: Visit) -> list[Finding]:
    """Ask every question and return all that was found."""
    return [finding for question in QUESTIONS for finding in question(visit)]
