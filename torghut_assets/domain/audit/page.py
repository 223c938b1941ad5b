"""The report page of a pack: one HTML file without scripts, fonts or addresses.

Read `render_page` first. The page shows; it decides nothing. Every number on it stands in a
record of the pack, and the page itself is named by its digest in the signed `pack.json`.
"""

from collections.abc import Callable
from html import escape
from typing import Final

from torghut_assets.domain.audit.page_evidence import PageEvidence
from torghut_assets.domain.audit.page_gates import decision, gates
from torghut_assets.domain.audit.page_parts import number, table, word
from torghut_assets.domain.audit.page_pictures import (
    Bar,
    bar_picture,
    chain_picture,
    line_picture,
)
from torghut_assets.domain.audit.page_style import STYLE
from torghut_assets.domain.evidence.moments import moment_text
from torghut_assets.domain.evidence.removals import removed_text
from torghut_assets.domain.gates.records import LimitResult
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


def render_page(evidence: PageEvidence) -> str:
    """Return the page; the same evidence gives the same bytes."""
    sections: tuple[tuple[str, str, Callable[[PageEvidence], str]], ...] = (
        ("decision", "Decision", decision),
        ("missing", "What is missing", _missing),
        ("chain", "Chain of evidence", _chain),
        ("gates", "Gates and margins", gates),
        ("path", "Equity and drawdown", _path),
        ("luck", "Luck or edge", _luck),
        ("costs", "Costs in paper trading", _costs),
        ("approvals", "Approvals", _approvals),
        ("stages", "Stages", _stages),
        ("digests", "Digests", _digests),
    )
    candidate = escape(str(evidence.subject["candidate"]))
    links = "".join(f'<li><a href="#{name}">{title}</a></li>' for name, title, _ in sections)
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
        f"<title>Audit report of {candidate}</title><style>{STYLE}</style></head>\n<body>\n"
        '<a class="skip" href="#decision">Skip to the decision</a>\n'
        f'<header><p class="soft">Audit report</p><h1>{candidate}</h1></header>\n'
        f'<nav aria-label="Sections"><ul>{links}</ul></nav>\n<main>\n{body}</main>\n'
        '<footer><p class="soft">This page shows what the records in its pack say. It proves '
        "nothing by itself: check the pack with <code>torghut audit verify</code>.</p></footer>\n"
        "</body></html>\n"
    )


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
    return (
        f"<p>{there} of {len(links)} links, from the thesis to the decision, are in this pack.</p>"
        + chain_picture("Links of the chain", links)
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
        limit.name: limit
        for gate in (evidence.gate_report.gates if evidence.gate_report else ())
        for limit in gate.limits
    }
    named = (
        ("Probability of overfitting (PBO)", overfit.pbo, "overfitting_probability"),
        ("Deflated Sharpe ratio (DSR)", overfit.dsr, "deflated_sharpe"),
        ("Probabilistic Sharpe ratio (PSR)", overfit.psr, ""),
        ("Reality check, p", overfit.reality_check_p, ""),
        ("Superior predictive ability, p", overfit.spa_p_consistent, "superior_ability"),
    )
    bars = [_bar(label, value, limits.get(name)) for label, value, name in named]
    near = overfit.sensitivity
    ratios = [
        _bar(label, value, limits.get(name))
        for label, value, name in (
            ("Median of neighbours / declared", near.median_ratio, "parameter_plateau"),
            ("Worst neighbour / declared", near.worst_ratio, ""),
            ("Narrow peak", near.narrow_peak_ratio, "narrow_peak"),
        )
    ]
    tickets = evidence.own_tickets()
    text = (
        f"<p><strong>{overfit.trials_raw}</strong> trials stand behind this result, "
        f"{number(overfit.trials_effective)} of them effectively independent, "
        f"{overfit.trials_declared_outside} declared from outside. The register holds "
        f"{len(tickets)} tickets of this candidate among {len(evidence.trials)} entries.</p>\n"
    )
    if known := [bar for bar in bars if bar is not None]:
        text += bar_picture("Overfitting; a red mark is the limit", known)
    if known := [bar for bar in ratios if bar is not None]:
        text += bar_picture(f"Sensitivity over {near.neighbours} neighbours", known)
    return text


def _bar(label: str, value: float | None, limit: LimitResult | None) -> Bar | None:
    if value is None:
        return None
    if limit is None:
        return Bar(label, value)
    return Bar(label, value, limit.limit, limit.bound.replace("_", " "))


def _costs(evidence: PageEvidence) -> str:
    sessions = list(evidence.costs())
    if not sessions:
        return "<p>It never traded on paper in this pack.</p>\n"
    return table(
        f"Costs of {len(sessions)} sessions",
        ("Session", "Orders", "Expected, bps", "Realised, bps", "Net return, %"),
        (
            (
                escape(tca.session),
                str(len(tca.orders)),
                number(_mean_cost(tca, "expected_cost_bps")),
                number(_mean_cost(tca, "realised_cost_bps")),
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
    return table(
        "Signed approvals", ("Approver", "Decision", "Issued", "Expires", "Ledger entry"), rows
    )


def _stages(evidence: PageEvidence) -> str:
    rows = [
        (
            str(receipt.sequence),
            escape(receipt.decision.stage),
            word(receipt.outcome.value),
            escape(receipt.decision.to_stage),
            receipt.recorded_at.strftime("%Y-%m-%d %H:%M UTC"),
            escape(receipt.actor),
        )
        for receipt in evidence.own_receipts()
    ]
    if not rows:
        return "<p>No stage was decided.</p>\n"
    return table("Receipts", ("No.", "Stage", "Outcome", "Leads to", "Recorded", "By"), rows)


def _digests(evidence: PageEvidence) -> str:
    return table(
        "Records that the pack begins with",
        ("Asset", "About", "SHA-256"),
        (
            (escape(i.asset), escape(i.partition or "everything"), f"<code>{i.digest}</code>")
            for i in evidence.held
        ),
    )
