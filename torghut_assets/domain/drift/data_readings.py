"""Is what the strategy sees still what it was built on? Schema, gaps, staleness, distribution."""

import numpy as np

from torghut_assets.domain.drift.history import DriftEvidence, SessionFacts
from torghut_assets.domain.drift.measuring import Measurement, MonitorSettings, Observed
from torghut_assets.domain.drift.path_statistics import share_at_least
from torghut_assets.domain.drift.windows import (
    WindowReference,
    distance_of,
    distances_of_reference_windows,
    stability_of,
    stability_of_reference_windows,
)
from torghut_assets.domain.errors import EvidenceError
from torghut_assets.domain.tca.inputs import Floats

_LOOK_BACK = 5
_CENTS = 1e-4
"""Sources round to cents: a close may lie this share of itself outside its own high and low."""


def _missing_sessions(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    missing = [s for s in evidence.expected if s not in evidence.facts]
    return Observed(len(missing), len(evidence.expected), ", ".join(missing[:5]))


def _history_contradictions(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    """Sessions that the report before this one rested on differently, or did not know."""
    before = evidence.expected[:-1]
    known = {ref.session: ref for ref in evidence.previous or ()}
    wrong = [s for s in before if s not in known]
    wrong += [s for s in known if s not in before]
    wrong += [
        s
        for s in before
        if s in known and (s not in evidence.facts or evidence.facts[s].refs != known[s])
    ]
    return Observed(len(wrong), len(evidence.expected), ", ".join(sorted(wrong)[:5]))


def _bar_defects(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    """Bars that cannot be: low above high, a price outside, no price, negative volume."""
    facts = evidence.now()
    first, high, low, last, volume = facts.bars.T
    present = np.isfinite(facts.bars).all(axis=1)
    top, bottom = np.maximum(first, last) * (1 - _CENTS), np.minimum(first, last) * (1 + _CENTS)
    proper = (low > 0) & (low <= high) & (low <= bottom) & (top <= high)
    partly = np.isfinite(facts.bars).any(axis=1) & ~present
    defects = int(np.count_nonzero(present & ~(proper & (volume >= 0)) | partly))
    return Observed(defects + facts.foreign_bars, 1)


def _missing_bars(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    missing = ~np.isfinite(evidence.now().bars).all(axis=1)
    return Observed(float(missing.mean()), 1)


def _repeated_bars(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    """Sessions in a row, up to this one, in which some symbol's whole bar was repeated."""
    window = evidence.trailing(_LOOK_BACK + 1)
    longest = 0
    for symbol in range(window[-1].bars.shape[0]):
        run = 0
        for newer, older in zip(window[:0:-1], window[-2::-1], strict=True):
            if not np.array_equal(newer.bars[symbol], older.bars[symbol]):
                break
            run += 1
        longest = max(longest, run)
    return Observed(longest, len(window))


def _decision_age(evidence: DriftEvidence, _: MonitorSettings) -> Observed:
    facts = evidence.now()
    if evidence.decision_age_sessions is None:
        raise EvidenceError(f"the age of the decision of {facts.decided_on} is not known.")
    # A decision from the session itself, or from later, looked ahead: as old as can be.
    age = evidence.decision_age_sessions
    return Observed(age if age >= 1 else 1_000_000, 1, f"decided on {facts.decided_on}")


def _window_bars(evidence: DriftEvidence, settings: MonitorSettings) -> Floats:
    return np.stack([facts.bars for facts in evidence.trailing(settings.window_sessions)])


def _return_stability(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    reference = evidence.seen()
    returns, _ = reference.standardized(_window_bars(evidence, settings))
    return Observed(stability_of(reference.returns, returns), len(returns))


def _stability_rank(reference: WindowReference, window: Floats) -> Observed:
    value = stability_of(reference, window)
    others = stability_of_reference_windows(reference, len(window))
    return Observed(
        share_at_least(value, others), len(window), f"index {value:.3f}, {others.size} windows"
    )


def _return_stability_rank(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    reference = evidence.seen()
    returns, _ = reference.standardized(_window_bars(evidence, settings))
    return _stability_rank(reference.returns, returns)


def _return_distance_rank(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    reference = evidence.seen()
    returns, _ = reference.standardized(_window_bars(evidence, settings))
    value = distance_of(reference.returns, returns)
    others = distances_of_reference_windows(reference.returns, len(returns))
    return Observed(
        share_at_least(value, others), len(returns), f"distance {value:.3f}, {others.size} windows"
    )


def _range_stability_rank(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    reference = evidence.seen()
    _, ranges = reference.standardized(_window_bars(evidence, settings))
    return _stability_rank(reference.ranges, ranges)


def weights_of(window: tuple[SessionFacts, ...]) -> Floats:
    """Target weights of sessions, shape (n_sessions, n_symbols)."""
    return np.stack([facts.targets for facts in window])


def _weight_stability_rank(evidence: DriftEvidence, settings: MonitorSettings) -> Observed:
    window = weights_of(evidence.trailing(settings.window_sessions))
    return _stability_rank(evidence.seen().weights, window)


DATA_MEASUREMENTS = (
    Measurement(
        "missing_sessions",
        "data",
        "count",
        "at_most",
        "Sessions since the deployment without usable records.",
        _missing_sessions,
    ),
    Measurement(
        "history_contradictions",
        "data",
        "count",
        "at_most",
        "Sessions whose records are not those that the previous report rested on.",
        _history_contradictions,
    ),
    Measurement(
        "bar_defects",
        "data",
        "count",
        "at_most",
        "Bars of the session that cannot be, or are of symbols that are not traded.",
        _bar_defects,
    ),
    Measurement(
        "missing_bar_share",
        "data",
        "fraction",
        "at_most",
        "Share of the symbols without a whole bar in the session.",
        _missing_bars,
    ),
    Measurement(
        "repeated_bar_sessions",
        "data",
        "sessions",
        "at_most",
        "Sessions in a row in which a symbol's bar was that of the session before, at most 5.",
        _repeated_bars,
    ),
    Measurement(
        "decision_age_sessions",
        "data",
        "sessions",
        "at_most",
        "Sessions between the close that the orders were decided on and this session.",
        _decision_age,
    ),
    Measurement(
        "return_stability",
        "data",
        "nats",
        "at_most",
        "Population stability index of open-to-close returns, by symbol standardized.",
        _return_stability,
    ),
    Measurement(
        "return_stability_rank",
        "data",
        "probability",
        "at_least",
        "Share of the backtest's windows of this length whose returns were as unstable.",
        _return_stability_rank,
    ),
    Measurement(
        "return_distance_rank",
        "data",
        "probability",
        "at_least",
        "The same by Kolmogorov-Smirnov distance.",
        _return_distance_rank,
    ),
    Measurement(
        "range_stability_rank",
        "data",
        "probability",
        "at_least",
        "The same of the range between high and low.",
        _range_stability_rank,
    ),
)
WEIGHT_MEASUREMENT = Measurement(
    "weight_stability_rank",
    "model",
    "probability",
    "at_least",
    "Share of the backtest's windows of this length whose target weights were as unstable.",
    _weight_stability_rank,
)
