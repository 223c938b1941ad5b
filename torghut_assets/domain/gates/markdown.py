"""A gate report as a page that a person reads: the verdict, why, the numbers, what next.

Nothing is decided here. Numbers that come from records outside the report (folds, stress) are
shown only if the record is intact; a page never fails because evidence is bad.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Final

from torghut_assets.domain.gates.evidence import GateEvidence
from torghut_assets.domain.gates.publication import utc_text
from torghut_assets.domain.gates.records import GateReport, GateResult, LimitResult
from torghut_assets.domain.verdicts import Verdict

_MARK: Final = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
_BAR_CELLS: Final = 10
_MARKUP: Final = str.maketrans(
    {"|": "\\|", "<": "&lt;", ">": "&gt;", "`": "'", "\n": " ", "\r": " ", "[": "\\[", "*": "\\*"}
)
_AS_PERCENT: Final = ("fraction",)
_WHOLE: Final = ("count", "days", "bars")


def render_markdown(report: GateReport, evaluated_at: dt.datetime, evidence: GateEvidence) -> str:
    """Return the report as Markdown.

    Parameters
    ----------
    report : GateReport
        The decision.
    evaluated_at : datetime
        When it was made, with a time zone.
    evidence : GateEvidence
        The records behind it, for the tables of folds, scenarios and regimes.

    Raises
    ------
    BadInputError
        If `evaluated_at` has no time zone.
    """
    sections = [
        _headline(report, utc_text(evaluated_at), evidence),
        _why(report),
        *(_gate(gate) for gate in report.gates),
        _folds(evidence),
        _stress(evidence),
        _regimes(evidence),
        _next(report),
        _digests(report),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _plain(text: str) -> str:
    """Text of a record without the characters that Markdown or HTML would act on."""
    return text.translate(_MARKUP)


def _table(header: tuple[str, ...], align: str, rows: Iterable[tuple[str, ...]]) -> str:
    """Lay out a table; `align` has one of `l` and `r` per column."""
    rule = tuple({"l": ":--", "r": "--:"}[side] for side in align)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def _value(value: float | None, unit: str) -> str:
    """One number as a person writes it in this unit."""
    if value is None:
        return "–"
    if unit in _AS_PERCENT:
        return f"{value:.1%}"
    if unit in _WHOLE:
        return f"{value:,.0f}"
    if unit == "usd":
        return f"{value / 1e6:,.1f} M USD"
    if unit == "bps_per_bar":
        return f"{value:.2f} bps"
    if unit == "times_per_year":
        return f"{value:.1f}×"
    return f"{value:.3f}" if unit in ("probability", "p_value") else f"{value:.2f}"


def _signed(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


def _headline(report: GateReport, at: str, evidence: GateEvidence) -> str:
    passed = report.verdict is Verdict.PASS
    title = "may go to paper trading" if passed else "is refused"
    lines = [
        f"# {_MARK[report.verdict]} {report.candidate_id} {title}",
        "",
        f"Snapshot `{report.snapshot_id}` · policy {report.policy_version} · decided {at}",
    ]
    spec = evidence.candidate_spec
    if spec is not None and evidence.digests["candidate_spec"]:
        lines += ["", f"> **{_plain(spec.title)}** ({_plain(spec.author)}): {_plain(spec.thesis)}"]
    return "\n".join(lines)


def _why(report: GateReport) -> str:
    total = sum(len(gate.limits) for gate in report.gates)
    needed = [r for gate in report.gates for r in gate.limits if r.required_for == "paper"]
    blocking = report.blocking_reasons
    later = [r for r in report.reasons if r.required_for == "beyond_paper"]
    if blocking:
        gates = [gate.title.lower() for gate in report.gates if gate.status is not Verdict.PASS]
        first = "; ".join(_plain(reason.text) for reason in blocking[:3])
        more = f" {len(blocking) - 3} more are in the tables below." if len(blocking) > 3 else ""
        text = (
            f"{len(blocking)} of the {len(needed)} limits that paper trading requires are not "
            f"kept, in {_listed(gates)}. First: {first}.{more}"
        )
    else:
        closest = min(needed, key=_closeness)
        text = (
            f"All {len(needed)} limits that paper trading requires are kept. The closest call is "
            f"{_words(closest.name)}: {_value(closest.measured, closest.unit)} where "
            f"{_bound(closest)} is allowed."
        )
    if later and all(reason.code in ("MISSING_EVIDENCE", "NOT_MEASURED") for reason in later):
        text += (
            f" Beyond paper trading it is refused: {len(later)} of {total} limits are **not "
            "measured**, and what is not measured does not pass."
        )
    elif later:
        text += (
            f" Beyond paper trading {len(later)} further limits are not kept: "
            f"{_listed([_words(reason.limit) for reason in later])}."
        )
    else:
        text += " No further limit stands between this evidence and the stages after paper."
    return f"## Why\n\n{text}"


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _bound(result: LimitResult) -> str:
    sign = "≥" if result.bound == "at_least" else "≤"
    return f"{sign} {_value(result.limit, result.unit)}"


def _closeness(result: LimitResult) -> float:
    """Margin as a share of the limit; exact zeros (counts of defects) never count as close."""
    if result.margin is None or result.limit == 0.0:
        return float("inf")
    return abs(result.margin / result.limit)


def _bar(result: LimitResult) -> str:
    """How much of the limit is used up: the bar is full on the limit, `!` beyond it."""
    if result.verdict is not Verdict.PASS:
        return "!" * _BAR_CELLS
    measured = result.measured
    if measured is None or result.limit == 0.0 or measured == 0.0:
        return "·" * _BAR_CELLS
    upper = result.bound == "at_most"
    used = measured / result.limit if upper else result.limit / measured
    cells = round(_BAR_CELLS * min(max(used, 0.0), 1.0))
    return "█" * cells + "·" * (_BAR_CELLS - cells)


def _gate(gate: GateResult) -> str:
    rows = [
        (
            f"{_MARK[result.verdict]}{'' if result.required_for == 'paper' else ' ²'}",
            _words(result.name),
            _value(result.measured, result.unit),
            _bound(result),
            f"`{_bar(result)}`",
            _plain("; ".join(result.details)) if result.problem is None else result.status,
        )
        for result in gate.limits
    ]
    kept = sum(result.verdict is Verdict.PASS for result in gate.limits)
    table = _table(("", "limit", "measured", "allowed", "used", "remark"), "llrrll", rows)
    later = any(result.required_for != "paper" for result in gate.limits)
    note = "\n\n² required beyond paper trading only." if later else ""
    head = f"## {_MARK[gate.status]} {gate.title} ({kept} of {len(gate.limits)} kept)"
    return f"{head}\n\n{table}{note}"


def _folds(evidence: GateEvidence) -> str:
    backtest = evidence.backtest_metrics
    if backtest is None or evidence.digests["backtest_metrics"] is None:
        return ""
    rows = [
        (
            str(fold.fold),
            f"{fold.test_first} … {fold.test_last}",
            _plain(", ".join(f"{name}={value}" for name, value in sorted(fold.chosen.items()))),
            _signed(fold.train_sharpe_annual, ".2f"),
            _signed(fold.test.sharpe_annual, ".2f"),
            f"{fold.test.total_return_fraction:+.1%}",
            f"{fold.test.max_drawdown_fraction:.1%}",
        )
        for fold in backtest.folds
    ]
    header = ("fold", "test window", "chosen", "train Sharpe", "test Sharpe", "return", "drawdown")
    return "## Walk-forward folds\n\n" + _table(header, "rllrrrr", rows)


def _stress(evidence: GateEvidence) -> str:
    stress = evidence.stress_metrics
    if stress is None or evidence.digests["stress_metrics"] is None:
        return ""
    base = stress.base
    rows = [
        (
            "base",
            "as simulated",
            _signed(base.sharpe_annual, ".2f"),
            "",
            f"{base.max_drawdown_fraction:.1%}",
            f"{base.cost_annual_fraction:.2%}",
        )
    ]
    rows += [
        (
            _words(result.scenario),
            _plain(result.change),
            _signed(result.path.sharpe_annual, ".2f"),
            _signed(result.sharpe_change, "+.2f"),
            f"{result.path.max_drawdown_fraction:.1%}",
            f"{result.path.cost_annual_fraction:.2%}",
        )
        for result in stress.results
    ]
    header = ("scenario", "what changes", "Sharpe", "change", "drawdown", "cost a year")
    return "## Under stress\n\n" + _table(header, "llrrrr", rows)


def _regimes(evidence: GateEvidence) -> str:
    backtest, spec = evidence.backtest_metrics, evidence.candidate_spec
    if backtest is None or evidence.digests["backtest_metrics"] is None:
        return ""
    expected = {}
    if spec is not None and evidence.digests["candidate_spec"]:
        expected = {item.regime: item.expectation for item in spec.expected_regimes}
    rows = [
        (
            _plain(result.regime),
            f"{result.n_bars:,}",
            _signed(result.sharpe_annual, ".2f"),
            _signed(result.total_return_fraction, "+.1%"),
            _plain({**expected}.get(result.regime, "–")),
        )
        for result in backtest.by_regime
    ]
    header = ("regime", "bars", "Sharpe", "return", "what the thesis expected")
    return "## By regime\n\n" + _table(header, "lrrrl", rows)


def _next(report: GateReport) -> str:
    if report.verdict is Verdict.PASS:
        text = (
            "Ask for a paper deployment: it needs an approval that names this report's digest, "
            "by someone who did not write the candidate."
        )
    else:
        classes = list(dict.fromkeys(r.reason_class for r in report.blocking_reasons))
        text = (
            f"Back to research, for reasons of {_listed([str(c) for c in classes])}. "
            "`research_feedback` says what to try; a child candidate cites it in "
            "`prior_run_evidence`. To dispute a limit or a number, see docs/gates.md."
        )
    return f"## What to do next\n\n{text}"


def _digests(report: GateReport) -> str:
    rows = [("gate_report", f"`{report.digest}`"), ("gate_policy", f"`{report.policy_digest}`")]
    rows += [(ref.name, f"`{ref.digest}`" if ref.digest else "none") for ref in report.inputs]
    rows.append(("code version", f"`{_plain(report.code_version)}`"))
    return "## Evidence\n\n" + _table(("record", "SHA-256"), "ll", rows)
