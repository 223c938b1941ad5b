"""The part of a report's page that puts all overfitting statistics side by side.

The limits on them are in the gate's own table. This part shows what no limit asks for as
well, says which number of trials decides, and why the statistics can disagree.
"""

from typing import Final

from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.records import GateReport

_MARKUP: Final = str.maketrans({"|": "\\|", "<": "&lt;", "`": "'", "\n": " ", "*": "\\*"})
_DISAGREE: Final = (
    "They can disagree, because they ask different questions, and every one with a limit must "
    "agree. The deflated ratio asks whether the path beats the luckiest of N trials; PBO whether "
    "choosing in sample helped out of sample, which it cannot on a plateau where every point is "
    "as good; SPA whether anything in the grid beats holding cash, with fewer variants than N."
)


def overfitting_section(report: GateReport, evidence: GateEvidence) -> str:
    """Return the section, or nothing if the record is missing or not intact."""
    record = evidence.overfit_diagnostics
    if record is None or evidence.digests["overfit_diagnostics"] is None:
        return ""
    limited = {result.measurement for gate in report.gates for result in gate.limits}
    rows = "\n".join(
        f"| {name} | {value} | {'**decides**' if asked in limited else 'shown'} | {remark} |"
        for name, value, asked, remark in _rows(record)
    )
    return (
        "## Luck, or search?\n\n"
        f"| statistic | value | | remark |\n| :-- | --: | :-- | :-- |\n{rows}\n\n"
        f"{_which_n(record, limited)} {_DISAGREE}\n\n{_holdout(record)}{_not_measured(record)}"
    )


def _rows(record: OverfitDiagnostics) -> tuple[tuple[str, str, str, str], ...]:
    """Name, value, the measurement that a policy may limit, and what the value means."""
    near, folds, interval = record.sensitivity, record.fold_stability, record.sharpe_interval
    low, high = _number(interval.sharpe_annual_low, 2), _number(interval.sharpe_annual_high, 2)
    raw, effective = f"N = {record.trials_raw:,}", f"N = {_number(record.trials_effective, 0)}"
    return (
        ("PSR", _number(record.psr), "", "probability that the true Sharpe ratio is above 0"),
        ("DSR, raw trials", _number(record.dsr), "deflated_sharpe_probability", raw),
        (
            "DSR, effective trials",
            _number(record.dsr_effective),
            "deflated_sharpe_probability_effective",
            effective,
        ),
        (
            "PBO",
            _number(record.pbo),
            "backtest_overfitting_probability",
            f"{record.pbo_blocks} blocks",
        ),
        (
            "SPA p, consistent",
            _number(record.spa_p_consistent),
            "superior_predictive_ability_p",
            f"lower {_number(record.spa_p_lower)}, upper {_number(record.spa_p_upper)}",
        ),
        ("Reality Check p", _number(record.reality_check_p), "reality_check_p", "not studentised"),
        (
            "minimum track record",
            _number(record.min_track_record_bars, 0),
            "track_record_ratio",
            f"bars; {record.observed_bars:,} observed",
        ),
        (
            "Sharpe ratio a year",
            f"{low} to {high}",
            "bootstrap_sharpe_annual_low",
            f"{interval.confidence:.0%} interval, {record.resamples:,} resamples",
        ),
        (
            "neighbours off the peak",
            _number(near.narrow_peak_ratio, 2),
            "narrow_peak_share",
            f"share of {near.neighbours} that keep less than half of the declared ratio",
        ),
        (
            "folds with a gain",
            _number(folds.positive_share, 2),
            "positive_fold_share",
            f"of {folds.folds}; best fold earned {_number(folds.largest_return_share, 2)} of gains",
        ),
    )


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:,.{digits}f}"


def _which_n(record: OverfitDiagnostics, limited: set[str]) -> str:
    text = (
        f"N = {record.trials_raw:,} raw trials, {record.trials_declared_outside:,} of them "
        "declared from outside, were counted in the register; the effective number is an estimate "
        "from correlations that flatters if it is too low."
    )
    if "deflated_sharpe_probability" in limited:
        return f"{text} The raw number decides."
    return f"{text} This policy does not let the raw number decide."


def _holdout(record: OverfitDiagnostics) -> str:
    if (seen := record.holdout) is None:
        reason = (record.holdout_refusal or "nobody asked for it").translate(_MARKUP)
        return f"**Final holdout**: not looked at. {reason}"
    return (
        f"**Final holdout**: {seen.total_return_fraction:+.1%} in {seen.n_bars} bars, Sharpe ratio "
        f"{_number(seen.sharpe_annual, 2)} a year, with the parameters of the last fold. The "
        f"family has looked {seen.looks} time{'s' if seen.looks > 1 else ''}; "
        f"receipt `{seen.receipt_digest}`. No limit is set on it: one window is too short."
    )


def _not_measured(record: OverfitDiagnostics) -> str:
    if not record.not_measured:
        return ""
    lines = (
        f"- {name.replace('_', ' ')}: {reason.translate(_MARKUP)}"
        for name, reason in sorted(record.not_measured.items())
    )
    return "\n\nNot measured:\n\n" + "\n".join(lines)
