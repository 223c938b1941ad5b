"""The report page of a pack: one HTML file without scripts, fonts or addresses.

Read `render_page` first. The page shows; it decides nothing. Every number on it stands in a
record of the pack, and the page itself is named by its digest in the signed `pack.json`.
"""

from collections.abc import Callable, Iterable
from html import escape
from typing import Final

from torghut_assets.domain.audit.page_evidence import PageEvidence
from torghut_assets.domain.audit.page_pictures import bar_picture, chain_picture, line_picture
from torghut_assets.domain.evidence.moments import moment_text
from torghut_assets.domain.evidence.removals import removed_text
from torghut_assets.domain.gates.records import GateResult
from torghut_assets.domain.tca.records import PaperTca

_CHAIN: Final = (
    ("candidate_spec", "thesis"),
    ("strategy_build", "code"),
    ("dataset_snapshot", "data"),
    ("target_weights", "weights"),
    ("backtest_metrics", "backtest"),
    ("stress_metrics", "stress"),
    ("overfit_diagnostics", "overfitting"),
    ("reproducibility_manifest", "second run"),
    ("gate_report", "gates"),
    ("paper_deployment", "deployment"),
    ("paper_tca", "paper costs"),
    ("paper_gate_report", "paper gate"),
)
_STYLE: Final = """
:root{color-scheme:light dark;--ink:#1a1c1f;--page:#fff;--soft:#5a6068;--rule:#c9ced6;
--good:#0b6b3a;--bad:#a3151f;--mark:#1d4f91}
@media(prefers-color-scheme:dark){:root{--ink:#e8eaed;--page:#16181b;--soft:#a8afb8;--rule:#454b54;
--good:#6fd39b;--bad:#ff8f8f;--mark:#8ab8f5}}
body{font:16px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--page);margin:0 auto;
max-width:60rem;padding:1.5rem}
h1{font-size:1.7rem;margin:.2em 0}h2{margin-top:2em;border-bottom:1px solid var(--rule)}
table{border-collapse:collapse;width:100%;font-size:.9rem;margin:.6em 0}
caption{text-align:left;font-weight:600;padding:.4em 0}
th,td{text-align:left;padding:.3em .6em;border-bottom:1px solid var(--rule);vertical-align:top}
td.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
code{font-size:.85em;overflow-wrap:anywhere}.pass{color:var(--good);font-weight:700}
.fail{color:var(--bad);font-weight:700}.soft,figcaption{color:var(--soft)}
figure{margin:1em 0}svg{width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--ink)}.line{fill:none;stroke:var(--mark);stroke-width:1.6}
.axis{fill:none;stroke:var(--soft)}.bar{fill:var(--mark)}.limit{stroke:var(--bad);stroke-width:3}
.box{fill:none;stroke:var(--mark);stroke-width:1.5}.missing{stroke:var(--bad);stroke-dasharray:5 4}
.scroll{overflow-x:auto}a{color:var(--mark)}a:focus,.scroll:focus{outline:3px solid var(--mark)}
.skip{position:absolute;left:-99rem}.skip:focus{left:1rem;background:var(--page);padding:.5em}
@media print{body{max-width:none;padding:0;font-size:10pt}nav,.skip{display:none}
section,figure,tr{break-inside:avoid}.scroll{overflow:visible}}
"""


def render_page(evidence: PageEvidence) -> str:
    """Return the page; the same evidence gives the same bytes."""
    sections: tuple[tuple[str, str, Callable[[PageEvidence], str]], ...] = (
        ("decision", "Decision", _decision),
        ("missing", "What is missing", _missing),
        ("chain", "Chain of evidence", _chain),
        ("gates", "Gates and margins", _gates),
        ("path", "Equity and drawdown", _path),
        ("luck", "Luck or edge", _luck),
        ("costs", "Costs in paper trading", _costs),
        ("approvals", "Approvals", _approvals),
        ("stages", "Stages", _stages),
        ("digests", "Digests", _digests),
    )
    candidate = escape(str(evidence.subject["candidate"]))
    links = " · ".join(f'<a href="#{name}">{title}</a>' for name, title, _ in sections)
    body = "".join(
        f'<section aria-labelledby="{name}"><h2 id="{name}" tabindex="-1">{title}</h2>\n'
        f"{draw(evidence)}</section>\n"
        for name, title, draw in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        f"<title>Audit report of {candidate}</title><style>{_STYLE}</style></head>\n<body>\n"
        '<a class="skip" href="#decision">Skip to the decision</a>\n'
        f'<header><p class="soft">Audit report</p><h1>{candidate}</h1></header>\n'
        f'<nav aria-label="Sections">{links}</nav>\n<main>\n{body}</main>\n'
        '<footer><p class="soft">This page shows what the records in its pack say. It proves '
        "nothing by itself: check the pack with <code>torghut audit verify</code>.</p></footer>\n"
        "</body></html>\n"
    )


def _decision(evidence: PageEvidence) -> str:
    said = []
    if report := evidence.gate_report:
        said.append(
            f"<p>Gates on <code>{escape(report.snapshot_id)}</code>: "
            f"{_word(report.verdict.value)}. "
            f"Beyond paper: {_word(report.beyond_paper_verdict.value)}. "
            f"Next: {escape(report.next_action)}. Policy {escape(report.policy_version)}, code "
            f"<code>{escape(report.code_version)}</code>.</p>\n"
        )
    if paper := evidence.paper_gate_report:
        said.append(
            f"<p>Paper gate after {escape(paper.session)}: {_word(paper.verdict.value)}, over "
            f"{len(paper.window)} sessions.</p>\n"
        )
    if drift := evidence.drift_report:
        said.append(
            f"<p>Drift after {escape(drift.session)}: {_word(drift.verdict.value)}, level "
            f"{escape(drift.level.value)}.</p>\n"
        )
    return "".join(said) or "<p>Nothing was decided.</p>\n"


def _missing(evidence: PageEvidence) -> str:
    held = {item.asset for item in evidence.held}
    missing = [
        f"No {title}: nobody made <code>{name}</code>."
        for name, title in _CHAIN
        if name not in held
    ]
    missing += [
        f"{escape(stone.removed.what)} <code>{stone.removed.artifact[:12]}</code> was "
        f"{removed_text(sequence)}: {escape(stone.reason)}."
        for sequence, stone in evidence.removed()
    ]
    if not any(True for _ in evidence.approvals()):
        missing.append("No signed approval of a person concerns this candidate.")
    if evidence.metrics is not None and not evidence.decided_path:
        missing.append("The table of the path is not in the store; there is no picture of it.")
    stated = {digest for entry in evidence.entries for digest in entry.subjects.values()}
    if without := sum(digest not in stated for digest in evidence.records):
        missing.append(
            f"{without} of {len(evidence.records)} records have no statement of their own; the "
            "signed statement about this pack names their digests."
        )
    if overfit := evidence.overfit:
        missing += [
            f"{escape(name)} was not measured: {escape(why)}."
            for name, why in sorted(overfit.not_measured.items())
        ]
    if not missing:
        return "<p>Nothing that this page knows of.</p>\n"
    return "<ul>" + "".join(f"<li>{text}</li>" for text in missing) + "</ul>\n"


def _chain(evidence: PageEvidence) -> str:
    held = {item.asset: item.digest for item in evidence.held}
    links = [
        (title, held[name][:12] if name in held else "missing", name in held)
        for name, title in _CHAIN
    ]
    there = sum(present for *_, present in links)
    return chain_picture(
        "From the thesis to the decision",
        f"{there} of {len(links)} links are in this pack; the missing ones have a dashed frame",
        links,
    )


def _gates(evidence: PageEvidence) -> str:
    found = (
        "".join(_gate(gate) for gate in report.gates) if (report := evidence.gate_report) else ""
    )
    if paper := evidence.paper_gate_report:
        found += _table(
            f"{paper.gate_id}: {paper.verdict.value}",
            ("Measurement", "Measured", "Interval", "Limit", "Verdict"),
            (
                (
                    escape(r.measurement),
                    _number(r.measured),
                    f"{_number(r.low)} to {_number(r.high)}",
                    f"{escape(r.bound.replace('_', ' '))} {r.limit:g} {escape(r.unit)}",
                    _word(r.verdict.value),
                )
                for r in paper.limits
            ),
            numbers=(1, 2),
        )
    return found or "<p>No gate was evaluated.</p>\n"


def _gate(gate: GateResult) -> str:
    return _table(
        f"{gate.gate_id} {gate.title}: {gate.status.value}",
        ("Limit", "Measured", "Required", "Margin", "Status"),
        (
            (
                escape(limit.name),
                _number(limit.measured),
                f"{escape(limit.bound.replace('_', ' '))} {limit.limit:g} {escape(limit.unit)}",
                _number(limit.margin),
                _word(str(limit.status)),
            )
            for limit in gate.limits
        ),
        numbers=(1, 3),
    )


def _path(evidence: PageEvidence) -> str:
    points = evidence.decided_path
    if len(points) < 2:
        return "<p>There is no path to draw.</p>\n"
    equity, drawdown, value, peak = [], [], 1.0, 1.0
    for _, net in points:
        value *= 1.0 + net
        peak = max(peak, value)
        equity.append(value)
        drawdown.append(100.0 * (value / peak - 1.0))
    ends = (points[0][0], points[-1][0])
    return line_picture(
        "Equity out of sample, net of costs, from 1",
        f"{len(points)} days, ends at {equity[-1]:.3f}, between {min(equity):.3f} and "
        f"{max(equity):.3f}",
        equity,
        ends,
    ) + line_picture(
        "Drawdown from the highest equity, percent",
        f"the deepest is {min(drawdown):.1f} percent",
        drawdown,
        ends,
    )


def _luck(evidence: PageEvidence) -> str:
    overfit = evidence.overfit
    if overfit is None:
        return "<p>Overfitting was not measured.</p>\n"
    limits = {
        limit.name: limit.limit
        for gate in (evidence.gate_report.gates if evidence.gate_report else ())
        for limit in gate.limits
    }
    named = (
        ("probability of overfitting (PBO)", overfit.pbo, limits.get("overfitting_probability")),
        ("deflated Sharpe ratio (DSR)", overfit.dsr, limits.get("deflated_sharpe")),
        ("probabilistic Sharpe ratio", overfit.psr, None),
        ("reality check p", overfit.reality_check_p, None),
    )
    bars = [(label, value, limit) for label, value, limit in named if value is not None]
    near = overfit.sensitivity
    ratios = [
        (label, value, None)
        for label, value in (
            ("median of neighbours / declared", near.median_ratio),
            ("worst neighbour / declared", near.worst_ratio),
            ("narrow peak", near.narrow_peak_ratio),
        )
        if value is not None
    ]
    tickets = evidence.own_tickets()
    text = (
        f"<p><strong>{overfit.trials_raw}</strong> trials stand behind this result, "
        f"{_number(overfit.trials_effective)} of them effectively independent, "
        f"{overfit.trials_declared_outside} declared from outside. The register holds "
        f"{len(tickets)} tickets of this candidate among {len(evidence.trials)} entries.</p>\n"
    )
    if bars:
        words = ", ".join(f"{label} {value:.3g}" for label, value, _ in bars)
        text += bar_picture("Overfitting; a red mark is the limit", words, bars)
    if ratios:
        words = ", ".join(f"{label} {value:.3g}" for label, value, _ in ratios)
        text += bar_picture(f"Sensitivity over {near.neighbours} neighbours", words, ratios)
    return text


def _costs(evidence: PageEvidence) -> str:
    sessions = list(evidence.costs())
    if not sessions:
        return "<p>It never traded on paper in this pack.</p>\n"
    return _table(
        f"Costs of {len(sessions)} sessions",
        ("Session", "Orders", "Expected, bps", "Realised, bps", "Net return, %"),
        (
            (
                escape(tca.session),
                str(len(tca.orders)),
                _number(_mean_cost(tca, "expected_cost_bps")),
                _number(_mean_cost(tca, "realised_cost_bps")),
                f"{100 * tca.net_return_fraction:.3f}",
            )
            for tca in sessions
        ),
        numbers=(1, 2, 3, 4),
    )


def _mean_cost(tca: PaperTca, name: str) -> float | None:
    """Mean over filled orders, weighted by filled notional; `None` if none was filled."""
    rows = [(getattr(o, name), o.filled_notional_usd) for o in tca.orders if o.filled_shares]
    known = [(cost, weight) for cost, weight in rows if cost is not None]
    total = sum(weight for _, weight in known)
    return sum(cost * weight for cost, weight in known) / total if total else None


def _approvals(evidence: PageEvidence) -> str:
    rows = [
        (
            escape(approval.approver),
            escape(approval.decision.kind),
            moment_text(approval.issued_at),
            moment_text(approval.expires_at),
            str(entry.sequence),
        )
        for entry, approval in evidence.approvals()
    ]
    if not rows:
        return "<p>No signed approval concerns this candidate.</p>\n"
    return _table(
        "Signed approvals", ("Approver", "Decision", "Issued", "Expires", "Ledger entry"), rows
    )


def _stages(evidence: PageEvidence) -> str:
    rows = [
        (
            str(receipt.sequence),
            escape(receipt.decision.stage),
            _word(receipt.outcome.value),
            escape(receipt.decision.to_stage),
            receipt.recorded_at.strftime("%Y-%m-%d %H:%M UTC"),
            escape(receipt.actor),
        )
        for receipt in evidence.own_receipts()
    ]
    if not rows:
        return "<p>No stage was decided.</p>\n"
    return _table("Receipts", ("No.", "Stage", "Outcome", "Leads to", "Recorded", "By"), rows)


def _digests(evidence: PageEvidence) -> str:
    return _table(
        "Records that the pack begins with",
        ("Asset", "About", "SHA-256"),
        (
            (escape(i.asset), escape(i.partition or "everything"), f"<code>{i.digest}</code>")
            for i in evidence.held
        ),
    )


def _table(
    caption: str,
    heads: tuple[str, ...],
    rows: Iterable[tuple[str, ...]],
    numbers: tuple[int, ...] = (),
) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = ""
    for row in rows:
        cells = "".join(
            f'<td class="n">{cell}</td>' if at in numbers else f"<td>{cell}</td>"
            for at, cell in enumerate(row[1:], start=1)
        )
        body += f'<tr><th scope="row">{row[0]}</th>{cells}</tr>\n'
    name = escape(caption)
    return (
        f'<div class="scroll" role="region" aria-label="{name}" tabindex="0"><table>'
        f"<caption>{name}</caption><thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>"
        "</table></div>\n"
    )


def _word(verdict: str) -> str:
    """A verdict in words; colour is never the only sign."""
    known = {"pass": "pass", "passed": "pass", "fail": "fail", "failed": "fail"}
    kind = known.get(verdict.lower(), "soft")
    return f'<span class="{kind}">{escape(verdict)}</span>'


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value + 0.0:.4g}"
