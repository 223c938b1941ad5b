"""Do these records belong together? Each sentence that comes back is one contradiction.

Records name each other by digest, so a record that was edited, or taken from another
evaluation, no longer fits its neighbours. Totals are compared with their parts, so that a bad
fold or symbol cannot be left out. `contradictions` covers what a decision for paper rests on,
`overfit_contradictions` the overfitting evidence.
"""

from typing import Final

from torghut_assets.domain.gates.evidence import (
    RECORD_TYPES,
    GateEvidence,
    attribute,
    items,
    number,
    record_of,
    text,
)

OVERFIT: Final = "overfit_diagnostics"
CORE_RECORDS: Final = tuple(name for name in RECORD_TYPES if name != OVERFIT)
EVALUATED: Final = (
    "target_weights",
    "backtest_metrics",
    "stress_metrics",
    "reproducibility_manifest",
)
REPEATED_OUTPUTS: Final = ("target_weights", "backtest_metrics", "stress_metrics")
"""Records that a reproducibility manifest must have computed a second time, by their kind."""

_CITED: Final = {
    "spec_digest": "candidate_spec",
    "build_digest": "strategy_build",
    "manifest_digest": "dataset_snapshot",
    "cost_model_digest": "cost_model",
    "risk_limits_digest": "risk_limits",
    "settings_digest": "evaluation_settings",
    "trial_policy_digest": "trial_policy",
}


def contradictions(evidence: GateEvidence) -> tuple[str, ...]:
    """Return what is wrong between and within the records, in a fixed order; empty if nothing.

    Raises
    ------
    UnusableEvidenceError
        If a record other than the overfitting diagnostics is missing, or cannot be read.
    """
    for name in CORE_RECORDS:
        record_of(evidence, name)
    found = [*_malformed(evidence, CORE_RECORDS), *_identity(evidence), *_build(evidence)]
    for name in EVALUATED:
        found += _inputs(evidence, name)
    backtest = evidence.backtest_metrics
    found += _differs(
        "backtest_metrics cites target_weights",
        text(backtest, "target_weights_digest"),
        evidence.digests["target_weights"],
    )
    if attribute(backtest, "settings") != evidence.evaluation_settings:
        found.append("backtest_metrics.settings are not the evaluation_settings")
    found += _differs(
        "stress_metrics cites backtest_metrics",
        text(evidence.stress_metrics, "backtest_digest"),
        evidence.digests["backtest_metrics"],
    )
    return (*found, *_repeated(evidence), *_totals(evidence))


def overfit_contradictions(evidence: GateEvidence) -> tuple[str, ...]:
    """Return what is wrong between the overfitting diagnostics and the other records.

    Raises
    ------
    UnusableEvidenceError
        If the diagnostics or the backtest are missing, or cannot be read.
    """
    record = record_of(evidence, OVERFIT)
    backtest = record_of(evidence, "backtest_metrics")
    found = [*_malformed(evidence, (OVERFIT,)), *_inputs(evidence, OVERFIT)]
    found += _differs(
        f"{OVERFIT} cites backtest_metrics",
        text(record, "backtest_digest"),
        evidence.digests["backtest_metrics"],
    )
    observed, tested = number(record, "observed_bars"), number(backtest, "out_of_sample.n_bars")
    if observed != tested:
        found.append(f"{OVERFIT} saw {observed:g} bars, the out-of-sample path has {tested:g}")
    declared = number(record, "trials_declared_outside")
    if declared < number(record_of(evidence, "candidate_spec"), "declared_outside_trials"):
        found.append(f"{OVERFIT} counts {declared:g} trials outside, the spec declares more")
    tried = number(backtest, "grid_points")
    if number(record, "trials_raw") < tried:
        found.append(f"{OVERFIT} counts fewer trials than the {tried:g} grid points of this run")
    return tuple(found)


def _malformed(evidence: GateEvidence, names: tuple[str, ...]) -> list[str]:
    return [
        f"{name} is not a valid record of its kind"
        for name in names
        if evidence.digests[name] is None
    ]


def _differs(what: str, cited: object, actual: object) -> list[str]:
    """One sentence unless both are the same; a digest that could not be computed differs."""
    if cited == actual and actual is not None:
        return []
    return [f"{what} {_short(cited)}, found {_short(actual)}"]


def _short(value: object) -> str:
    shown = str(value)
    return f"{shown[:12]}…" if len(shown) == 64 else ascii(shown)[:80]


def _identity(evidence: GateEvidence) -> list[str]:
    spec, build = evidence.candidate_spec, evidence.strategy_build
    snapshot = evidence.dataset_snapshot
    universe, _, as_of = evidence.snapshot_id.partition("@")
    return [
        *_differs("decision is about", evidence.candidate_id, text(spec, "candidate_id")),
        *_differs("decision is about", evidence.candidate_id, text(build, "candidate_id")),
        *_differs("decision is about", evidence.snapshot_id, text(snapshot, "snapshot_id")),
        *_differs("snapshot id names", universe, text(snapshot, "universe")),
        *_differs("snapshot id names", as_of, str(attribute(snapshot, "as_of"))),
        *_differs("candidate_spec names", text(spec, "universe"), text(snapshot, "universe")),
    ]


def _build(evidence: GateEvidence) -> list[str]:
    spec, build = evidence.candidate_spec, evidence.strategy_build
    pairs = (
        ("strategy.type", "strategy_type"),
        ("strategy.version", "strategy_version"),
    )
    found = _differs(
        "strategy_build cites candidate_spec",
        text(build, "spec_digest"),
        evidence.digests["candidate_spec"],
    )
    for in_spec, in_build in pairs:
        found += _differs(
            f"candidate_spec.{in_spec} is", attribute(spec, in_spec), attribute(build, in_build)
        )
    return found + _parameters(attribute(spec, "parameters"), attribute(build, "parameters"))


def _parameters(declared: object, built: object) -> list[str]:
    """Compare parameters: the build adds the plugin's defaults and changes nothing."""
    if not isinstance(declared, dict) or not isinstance(built, dict):
        return ["parameters of candidate_spec or strategy_build are not a mapping"]
    found = []
    for name, value in declared.items():
        found += _differs(f"candidate_spec.parameters.{name} is", value, built.get(name))
    return found


def _inputs(evidence: GateEvidence, name: str) -> list[str]:
    """Compare what a record says it was computed from with the records themselves."""
    inputs = attribute(getattr(evidence, name), "inputs")
    found = [
        *_differs(f"{name} is about", text(inputs, "candidate_id"), evidence.candidate_id),
        *_differs(f"{name} is about", text(inputs, "snapshot_id"), evidence.snapshot_id),
    ]
    for field, cited in _CITED.items():
        found += _differs(f"{name} cites {cited}", text(inputs, field), evidence.digests[cited])
    return found


def _repeated(evidence: GateEvidence) -> list[str]:
    """Compare the outputs of the second computation with the records themselves."""
    found: list[str] = []
    first: dict[str, str] = {}
    for repeated in items(evidence.reproducibility_manifest, "outputs"):
        output = text(repeated, "output")
        if output in first:
            found.append(f"reproducibility_manifest names {output[:80]!a} twice")
        first[output] = text(repeated, "first_digest")
    for name in REPEATED_OUTPUTS:
        output = RECORD_TYPES[name].record_kind
        if output not in first:
            found.append(f"reproducibility_manifest did not repeat {output}")
        else:
            found += _differs(
                f"reproducibility_manifest repeated {output}", first[output], evidence.digests[name]
            )
    return found


def _totals(evidence: GateEvidence) -> list[str]:
    """Totals next to the sum of their parts: no part can be left out."""
    snapshot, backtest = evidence.dataset_snapshot, evidence.backtest_metrics
    found: list[str] = []
    rows = number(snapshot, "rows")
    for what in ("symbols", "files"):
        parts = sum(number(part, "rows") for part in items(snapshot, what))
        if parts != rows:
            found.append(f"dataset_snapshot has {rows:g} rows, its {what} have {parts:g}")
    folds = items(backtest, "folds")
    if [number(fold, "fold") for fold in folds] != list(range(1, len(folds) + 1)):
        found.append("backtest_metrics.folds are not numbered 1, 2, 3, … without a gap")
    tested = sum(number(fold, "test.n_bars") for fold in folds)
    whole = number(backtest, "out_of_sample.n_bars")
    if tested != whole:
        found.append(f"out-of-sample path has {whole:g} bars, its folds test {tested:g}")
    if attribute(evidence.stress_metrics, "base") != attribute(backtest, "out_of_sample"):
        found.append("stress_metrics.base is not the out-of-sample path of backtest_metrics")
    covered = {text(symbol, "symbol") for symbol in items(snapshot, "symbols")}
    traded = {text(symbol, "symbol") for symbol in items(backtest, "by_symbol")}
    if covered != traded:
        odd = ", ".join(sorted(covered ^ traded))
        found.append(f"backtest and snapshot do not have the same symbols: {odd[:80]}")
    return found
