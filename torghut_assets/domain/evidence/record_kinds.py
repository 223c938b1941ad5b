"""Which kind of statement says that a record was made, and whose word that is.

Every record that an asset holds is in `KIND_OF_RECORD`; a new one gets its line here.
"""

from collections.abc import Mapping
from typing import Final

from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.evidence.statement import MAY_SIGN, Role

POLICY: Final = "policy"

KIND_OF_RECORD: Final[Mapping[str, str]] = {
    "pipeline-config": POLICY,
    "gate-policy": POLICY,
    "cost-model": POLICY,
    "risk-limits": POLICY,
    "evaluation-settings": POLICY,
    "trial-policy": POLICY,
    "order-limits": POLICY,
    "paper-policy": POLICY,
    "paper-gate-policy": POLICY,
    "drift-policy": POLICY,
    "ramp-policy": POLICY,
    "retention-policy": POLICY,
    "candidate-spec": "candidate-spec",
    "strategy-build": "strategy-build",
    "snapshot-manifest": "dataset-snapshot",
    "target-weights": "target-weights",
    "backtest-metrics": "backtest",
    "stress-metrics": "stress",
    "overfit-diagnostics": "overfit",
    "reproducibility-manifest": "reproduction",
    "gate-report": "gate-report",
    "research-feedback": "research-feedback",
    "paper-deployment": "deployment",
    "order-intents": "order-batch",
    "paper-orders": "order-batch",
    "paper-fills": "order-batch",
    "paper-tca": "tca",
    "paper-gate-report": "gate-report",
    "drift-report": "drift",
    "rollback-plan": "rollback",
    "rollback-receipt": "rollback",
    "incident-report": "incident",
    "ramp-stage": "ramp-stage",
    "control-evidence-map": "control-evidence",
    "advisory-experiment-summary": "advisory",
    "advisory-rationale-review": "advisory",
    "advisory-parameter-proposal": "advisory",
    "advisory-runbook-actions": "advisory",
}
"""Record kind to the kind of the statement that it was made."""


def kind_of_record(record_kind: str) -> str:
    """Return the kind of statement that says that such a record was made.

    Raises
    ------
    BadInputError
        If nobody said which; a record without a statement is no evidence.
    """
    try:
        return KIND_OF_RECORD[record_kind]
    except KeyError as error:
        raise BadInputError(
            location="record kind", found=record_kind, expected="one in KIND_OF_RECORD"
        ) from error


def signer_of(kind: str) -> Role:
    """Return the machine role that signs a kind: decisions of a gate are the gate's word."""
    return "gate" if MAY_SIGN[kind] == frozenset({"gate"}) else "runner"
