"""Whether two computations of the same evaluation agree, and whether records belong together."""

from torghut_assets.domain.backtest.records import EvaluationInputs, OutputComparison
from torghut_assets.domain.errors import EvidenceContradictionError
from torghut_assets.domain.records import Record


def require_same_evaluation(name: str, found: EvaluationInputs, expected: EvaluationInputs) -> None:
    """Refuse an intact record that was made from other inputs than the current ones.

    Raises
    ------
    EvidenceContradictionError
        Naming the first input that differs.
    """
    for field in EvaluationInputs.model_fields:
        theirs, ours = getattr(found, field), getattr(expected, field)
        if theirs != ours:
            raise EvidenceContradictionError(
                location=f"{name} of {expected.subject}",
                found=f"{field} {theirs}",
                expected=f"{field} {ours}",
            )


def compare_outputs(*pairs: tuple[Record, Record]) -> tuple[OutputComparison, ...]:
    """Put the digests of first and second computations side by side."""
    return tuple(
        OutputComparison(
            output=first.record_kind, first_digest=first.digest, second_digest=second.digest
        )
        for first, second in pairs
    )
