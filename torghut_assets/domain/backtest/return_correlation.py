"""Is a new result an old one under another name? Correlation of out-of-sample returns.

A copied plugin with small edits has another code digest and may have another name and no
parent; what it earns day by day gives it away.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from torghut_assets.domain.backtest.families import ReturnSeries
from torghut_assets.domain.backtest.trials import RegisterEntry, Trial, TrialOutcome, TrialTicket


def correlation_of(one: ReturnSeries, other: ReturnSeries, *, min_overlap: int) -> float | None:
    """Pearson correlation of two series on the bars they share.

    Returns
    -------
    float or None
        In [-1, 1]; `None` if fewer than `min_overlap` bars are shared or one series stands
        still there (a strategy that never trades correlates with nothing).
    """
    _, left, right = np.intersect1d(one.times, other.times, assume_unique=True, return_indices=True)
    if left.size < min_overlap:
        return None
    x = one.returns[left] - one.returns[left].mean()
    y = other.returns[right] - other.returns[right].mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    if scale <= np.finfo(np.float64).tiny:
        return None
    return float(np.clip((x @ y) / scale, -1.0, 1.0))


def outcomes_to_compare(entries: Sequence[RegisterEntry], trial: Trial) -> tuple[TrialOutcome, ...]:
    """Return the outcomes whose returns a new result must be compared with.

    The latest one with returns of every evaluation that is not joined with `trial` already
    by candidate, plugin code or strategy type.
    """
    tickets = {entry.sequence: entry for entry in entries if isinstance(entry, TrialTicket)}
    latest: dict[str, TrialOutcome] = {}
    for outcome in entries:
        if isinstance(outcome, TrialOutcome) and outcome.returns_digest is not None:
            other = tickets[outcome.ticket_sequence].trial
            if not (
                other.code_digest == trial.code_digest
                or other.family == trial.family
                or other.inputs.candidate_id == trial.inputs.candidate_id
            ):
                latest[other.evaluation_digest] = outcome
    return tuple(latest.values())


def correlations_with_earlier(
    entries: Sequence[RegisterEntry],
    ticket: TrialTicket,
    own: ReturnSeries,
    load: Callable[[str], ReturnSeries],
    *,
    min_overlap: int,
    known: Mapping[int, float | None],
) -> dict[int, float | None]:
    """Correlate a new result with every earlier evaluation of other families.

    Parameters
    ----------
    entries : sequence of RegisterEntry
        The register so far.
    ticket : TrialTicket
        What the new result is of.
    own : ReturnSeries
        The new result's returns.
    load : callable
        Gives the returns of any digest that an outcome names.
    min_overlap : int
        Fewest bars that two series must share.
    known : mapping of int to float or None
        What an earlier call has computed already; returned again, not computed again.

    Returns
    -------
    dict of int to float or None
        By the sequence of the earlier ticket; `None` where a correlation is undefined.
    """
    found: dict[int, float | None] = {}
    for outcome in outcomes_to_compare(entries, ticket.trial):
        sequence = outcome.ticket_sequence
        if sequence in known:
            found[sequence] = known[sequence]
        elif outcome.returns_digest is not None:
            other = load(outcome.returns_digest)
            found[sequence] = correlation_of(own, other, min_overlap=min_overlap)
    return found
