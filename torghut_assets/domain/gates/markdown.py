"""A gate report as a page that a person reads: the verdict, why, the numbers, what next.

Nothing is decided here. Numbers that come from records outside the report (folds, stress) are
shown only if the record is intact; a page never fails because evidence is bad.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Final

from torghut_assets.domain.gates.evidence import MEANINGS, GateEvidence, Problem
from torghut_assets.domain.gates.overfitting_page import overfitting_section
from torghut_assets.domain.gates.publication import utc_text
from torghut_assets.domain.gates.records import GateReport, GateResult, LimitResult
from torghut_assets.domain.verdicts import Verdict

_MARK: Final = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.INCONCLUSIVE: "?"}
_BAR_CELLS: Final = 10
_MARKUP: Final = str.maketrans(
    {"|": "\\|", "<": "&lt;", ">": "&gt;", "`": "'", "\n": " ", "\r": " ", "[": "\\[", "*": "\\*"}
)
_FORMS: Final = {
    "fraction": "{:.1%}",
    "count": "{:,.0f}",
    "days": "{:,.0f}",
    "bars": "{:,.0f}",
    "usd": "{:,.1f} M USD",
    "bps_per_bar": "{:.2f} bps",
    "times_per_year": "{:.1f}×",
    "probability": "{:.3f}",
    "p_value": "{:.3f}",
}


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
        overfitting_section(report, evidence),
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
    form = _FORMS.get(unit, "{:.2f}")
    return form.format(value / 1e6 if unit == "usd" else value)


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
    results = [result for gate in report.gates for result in gate.limits]
    needed = [result for result in results if result.required_for == "paper"]
    blocking = [result for result in needed if result.verdict is not Verdict.PASS]
    if blocking:
        gates = [gate.title.lower() for gate in report.gates if gate.status is not Verdict.PASS]
        text = (
            f"{len(blocking)} of the {len(needed)} limits that paper trading requires "
            f"{'is' if len(blocking) == 1 else 'are'} not kept, in {_listed(gates)}:\n\n"
            + "\n".join(f"- {_sentence(result)}" for result in blocking)
            + "\n\n"
        )
    else:
        text = f"All {len(needed)} limits that paper trading requires are kept. "
        graded = [result for result in needed if result.unit != "count"]
        if graded:
            text += f"The closest call: {_sentence(min(graded, key=_closeness))}\n\n"
    return f"## Why\n\n{text}{_beyond_paper(results)}"


def _beyond_paper(results: list[LimitResult]) -> str:
    later = [r for r in results if r.required_for != "paper" and r.verdict is not Verdict.PASS]
    if not later:
        return "Beyond paper trading no further limit stands in the way."
    names = _listed([_words(result.name) for result in later])
    absent = (Problem.NOT_MEASURED, Problem.MISSING_EVIDENCE)
    if all(result.problem in absent for result in later):
        return (
            f"Beyond paper trading it is refused: {names} are **not measured**, and what is not "
            "measured does not pass."
        )
    return f"Beyond paper trading it is refused as well: {names}."


def _sentence(result: LimitResult) -> str:
    """Say what was found and what is allowed, with what it comes from."""
    if result.problem is None:
        found = f"{_value(result.measured, result.unit)} where {_bound(result)} is allowed"
    else:
        found = f"{MEANINGS[result.problem]} (`{result.problem}`)"
    because = f" ({_plain('; '.join(result.details))})" if result.details else ""
    return f"**{_words(result.name)}**: {found}{because}."


def _listed(words: list[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _bound(result: LimitResult) -> str:
    sign = "≥" if result.bound == "at_least" else "≤"
    return f"{sign} {_value(result.limit, result.unit)}"


def _closeness(result: LimitResult) -> float:
    """Margin as a share of the limit, or the margin itself next to a limit of zero."""
    margin = result.margin if result.margin is not None else 0.0
    return abs(margin / result.limit) if result.limit else abs(margin)


def _bar(result: LimitResult) -> str:
    """Draw how much of the limit is used up: full on the limit; nothing if there is no scale."""
    measured, limit = result.measured, result.limit
    if result.problem is not None or measured is None or limit <= 0.0:
        return ""
    if result.verdict is not Verdict.PASS:
        return f"`{'█' * _BAR_CELLS}!`"
    used = measured / limit if result.bound == "at_most" else limit / measured
    cells = round(_BAR_CELLS * used)
    return f"`{'█' * cells}{'·' * (_BAR_CELLS - cells)}`"


def _gate(gate: GateResult) -> str:
    rows = [
        (
            f"{_MARK[result.verdict]}{'' if result.required_for == 'paper' else ' ²'}",
            _words(result.name),
            _value(result.measured, result.unit),
            _bound(result),
            _bar(result),
            _plain("; ".join(result.details)) if result.problem is None else f"`{result.status}`",
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
    expected: dict[str, str] = {}
    if spec is not None and evidence.digests["candidate_spec"]:
        expected = {item.regime: item.expectation for item in spec.expected_regimes}
    rows = [
        (
            _plain(result.regime),
            f"{result.n_bars:,}",
            _signed(result.sharpe_annual, ".2f"),
            _signed(result.total_return_fraction, "+.1%"),
            _plain(expected.get(result.regime, "–")),
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
