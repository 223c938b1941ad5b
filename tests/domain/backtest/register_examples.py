"""Registers in memory for the tests of trials: a chain is made entry by entry."""

import datetime as dt

from torghut_assets.domain.backtest.records import EvaluationInputs
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.backtest.trials import (
    GENESIS_DIGEST,
    CorrelatedTicket,
    HoldoutReceipt,
    RegisterEntry,
    RegisterRow,
    Trial,
    TrialAnchor,
    TrialOutcome,
    TrialTicket,
)
from torghut_assets.domain.digests import sha256_hex

NINE = dt.datetime(2026, 1, 5, 9, 0, tzinfo=dt.UTC)


def digest(text):
    return sha256_hex(text.encode())


def policy(**changes):
    fields = {
        "policy_version": "1",
        "join_correlation": 0.95,
        "recorded_correlation": 0.8,
        "min_overlap_bars": 20,
        "holdout_months": 12,
        "holdout_looks_per_family": 1,
        "grant_disjoint_windows": False,
        "source": "tests",
    }
    return TrialPolicy(**(fields | changes))


POLICY = policy()


def inputs(candidate="momentum-a", **changes):
    names = ("spec", "build", "manifest", "cost_model", "risk_limits", "settings")
    fields = {f"{name}_digest": digest(name) for name in names}
    fields |= {"spec_digest": digest(candidate), "trial_policy_digest": POLICY.digest}
    return EvaluationInputs(
        candidate_id=candidate, snapshot_id="us-megacaps@2021-12-31", **(fields | changes)
    )


def trial(candidate="momentum-a", *, grid=10, family=None, code=None, **changes):
    fields = {"parent": None, "declared_outside_trials": 0, "inputs": inputs(candidate)}
    return Trial(
        purpose="backtest_metrics",
        family=family or f"type-of-{candidate}",
        code_digest=digest(code or f"code of {candidate}"),
        grid_points=grid,
        **(fields | changes),
    )


class Chain:
    """A register that is only a list."""

    def __init__(self):
        self.entries: list[RegisterEntry] = []
        self.now = NINE

    def position(self):
        last = self.entries[-1].digest if self.entries else GENESIS_DIGEST
        self.now += dt.timedelta(minutes=1)
        return {
            "sequence": len(self.entries) + 1,
            "previous_digest": last,
            "recorded_at": self.now,
        }

    def add(self, entry):
        self.entries.append(entry)
        return entry

    def ticket(self, *args, **changes):
        return self.add_trial(trial(*args, **changes))

    def add_trial(self, described):
        return self.add(TrialTicket(**self.position(), trial=described))

    def end(self, ticket, result="result", *, returns="returns", correlated=()):
        finished = result is not None
        return self.add(
            TrialOutcome(
                **self.position(),
                ticket_sequence=ticket.sequence,
                ticket_digest=ticket.digest,
                status="finished" if finished else "abandoned",
                result_digest=digest(result) if finished else None,
                returns_digest=digest(returns) if finished and returns else None,
                correlated=tuple(
                    CorrelatedTicket(ticket_sequence=n, correlation=c) for n, c in correlated
                ),
            )
        )

    def done(self, *args, correlated=(), **changes):
        ticket = self.ticket(*args, **changes)
        self.end(ticket, correlated=correlated)
        return ticket

    def look(self, ticket, window):
        return self.add(
            HoldoutReceipt(
                **self.position(),
                ticket_sequence=ticket.sequence,
                ticket_digest=ticket.digest,
                candidate_id=ticket.trial.inputs.candidate_id,
                manifest_digest=ticket.trial.inputs.manifest_digest,
                evaluation_digest=ticket.trial.evaluation_digest,
                policy_digest=POLICY.digest,
                look=1,
                first_session=window.first_session,
                last_session=window.last_session,
            )
        )

    def rows(self):
        return [RegisterRow(e.sequence, e.digest, e.canonical_bytes()) for e in self.entries]

    def anchor(self, sequence=None):
        sequence = len(self.entries) if sequence is None else sequence
        head = self.entries[sequence - 1].digest if sequence else GENESIS_DIGEST
        return TrialAnchor(sequence=sequence, head_digest=head, file_id=1)
