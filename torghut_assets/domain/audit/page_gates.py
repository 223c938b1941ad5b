"""Sections of the report page about decisions: what was decided, and by which limits."""

from html import escape

from torghut_assets.domain.audit.page_evidence import PageEvidence
from torghut_assets.domain.audit.page_parts import number, table, word
from torghut_assets.domain.gates.records import GateResult
from torghut_assets.domain.ramp.records import ReadinessGate


def decision(evidence: PageEvidence) -> str:
    """Each decision in a box, the newest kind of evidence last."""
    said = []
    if report := evidence.gate_report:
        said.append(
            _box(
                report.verdict.value,
                f"Gates on <code>{escape(report.snapshot_id)}</code>: "
                f"{word(report.verdict.value)}. "
                f"Beyond paper: {word(report.beyond_paper_verdict.value)}. "
                f"Next: {escape(report.next_action)}.",
                f"Policy {escape(report.policy_version)}, code "
                f"<code>{escape(report.code_version)}</code>.",
            )
        )
    if paper := evidence.paper_gate_report:
        said.append(
            _box(
                paper.verdict.value,
                f"Paper gate after {escape(paper.session)}: {word(paper.verdict.value)}.",
                f"Over {len(paper.window)} sessions, policy {escape(paper.policy_version)}.",
            )
        )
    for ramp in evidence.ramp_stages:
        gates = ", ".join(f"{g.gate_id}: {g.verdict.value}" for g in ramp.gates) or "no step"
        said.append(
            _box(
                ramp.stability.verdict.value,
                f"Ramp after {escape(ramp.session)}: {ramp.level_from} to {ramp.level_to}, "
                f"{ramp.notional_after_usd:,.0f} USD.",
                escape(gates),
            )
        )
    if drift := evidence.drift_report:
        said.append(
            _box(
                drift.verdict.value,
                f"Drift after {escape(drift.session)}: {word(drift.verdict.value)}, level "
                f"{escape(drift.level.value)}.",
                escape("; ".join(drift.reasons[:3])) or "No reading is beyond a limit.",
            )
        )
    if incident := evidence.incident:
        said.append(
            _box(
                "fail",
                f"Taken back after {escape(incident.session)}: incident of class "
                f"{incident.incident_class}, state {incident.receipt_state}.",
                escape("; ".join(incident.findings[:3])),
            )
        )
    if overfit := evidence.overfit:
        said.append(f"<p>Trials behind the result: <strong>{overfit.trials_raw}</strong>.</p>\n")
    return "".join(said) or "<p>Nothing was decided.</p>\n"


def _box(verdict: str, first: str, second: str) -> str:
    kind = {"pass": " passed", "fail": " failed"}.get(verdict, "")
    return f'<div class="verdict{kind}"><p>{first}</p><p class="soft">{second}</p></div>\n'


def gates(evidence: PageEvidence) -> str:
    """Every limit next to its measurement, with the margin."""
    found = (
        "".join(_gate(gate) for gate in report.gates) if (report := evidence.gate_report) else ""
    )
    if paper := evidence.paper_gate_report:
        found += table(
            f"{paper.gate_id}: {paper.verdict.value}",
            ("Measurement", "Verdict", "Measured", "Interval", "Required"),
            (
                (
                    escape(r.measurement),
                    word(r.verdict.value),
                    number(r.measured),
                    f"{number(r.low)} to {number(r.high)}",
                    f"{escape(r.bound.replace('_', ' '))} {r.limit:g} {escape(r.unit)}",
                )
                for r in paper.limits
            ),
            numbers=(2, 3),
        )
    found += "".join(_readiness(gate) for ramp in evidence.ramp_stages for gate in ramp.gates)
    return found or "<p>No gate was evaluated.</p>\n"


def _readiness(gate: ReadinessGate) -> str:
    return table(
        f"{gate.gate_id}: {gate.verdict.value}",
        ("Measurement", "Verdict", "Measured", "Margin", "Required"),
        (
            (
                escape(limit.measurement),
                word(limit.verdict.value),
                number(limit.measured),
                number(limit.margin),
                f"{escape(limit.bound.replace('_', ' '))} {limit.limit:g} {escape(limit.unit)}",
            )
            for limit in gate.limits
        ),
        numbers=(2, 3),
    )


def _gate(gate: GateResult) -> str:
    return table(
        f"{gate.gate_id} {gate.title}: {gate.status.value}",
        ("Limit", "Status", "Measured", "Margin", "Required"),
        (
            (
                escape(limit.name),
                word(str(limit.status)),
                number(limit.measured),
                number(limit.margin),
                f"{escape(limit.bound.replace('_', ' '))} {limit.limit:g} {escape(limit.unit)}",
            )
            for limit in gate.limits
        ),
        numbers=(2, 3),
    )
