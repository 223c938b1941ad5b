"""The deployment manifest: what a trading runtime reads from a GitOps repository.

It is YAML, the same bytes for the same grant, and names everything by digest. The SHA-256 of the
bytes stands in the signed statement about the grant. This project sends no live order: what is
done with the manifest is done elsewhere.
"""

from typing import Any, Final

import yaml

from torghut_assets.domain.documents import parse_yaml
from torghut_assets.domain.errors import BadInputError
from torghut_assets.domain.orders.records import PaperDeployment
from torghut_assets.domain.ramp.records import ApprovalRef, RampRequest

API_VERSION: Final = "torghut.dev/v1"
KIND: Final = "DeploymentManifest"
_OPENING: Final = (
    "# Written by torghut from a granted ramp request; do not edit. A changed byte is another\n"
    "# SHA-256 than the one in the signed statement: `torghut ramp verify FILE` compares.\n"
)


def manifest_bytes(
    request: RampRequest, deployment: PaperDeployment, approvals: tuple[ApprovalRef, ...]
) -> bytes:
    """Return the manifest of a request that was approved.

    Parameters
    ----------
    request : RampRequest
    deployment : PaperDeployment
        The one that the request names.
    approvals : tuple of ApprovalRef
        Those that are used up.

    Raises
    ------
    BadInputError
        If the request is about another deployment.
    """
    reviewed = {ref.name: ref.digest for ref in request.reviewed}
    if reviewed.get("paper_deployment") != deployment.digest:
        raise BadInputError(
            location="deployment manifest",
            found=f"deployment {deployment.digest}",
            expected=f"the reviewed one, {reviewed.get('paper_deployment')}",
        )
    card = request.limit_card
    document: dict[str, Any] = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": request.candidate_id, "session": request.session},
        "spec": {
            "stage": request.stage,
            "level": {"from": request.level_from, "to": request.level_to},
            "notional_usd": {
                "before": request.notional_before_usd,
                "after": request.notional_after_usd,
            },
            "strategy": {
                "type": deployment.strategy_type,
                "version": deployment.strategy_version,
                "code_sha256": deployment.code_digest,
                "parameters": dict(sorted(deployment.parameters.items())),
            },
            "limits": {
                "instruments": list(card.instruments),
                "max_price_deviation_fraction": card.max_price_deviation_fraction,
                "max_order_value_usd": card.max_order_value_usd,
                "max_orders_per_session": card.max_orders_per_session,
                "max_symbol_position_usd": card.max_symbol_position_usd,
                "max_gross_position_usd": card.max_gross_position_usd,
                "venues": list(card.venues),
            },
        },
        "evidence": {
            "ramp_request": request.digest,
            "ramp_policy": request.policy_digest,
            "reviewed": reviewed,
            "approvals": [
                {"person": ref.person, "sha256": ref.digest, "ledger_entry": ref.sequence}
                for ref in approvals
            ],
        },
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
    return (_OPENING + text).encode("utf-8")


def read_manifest(payload: bytes, *, location: str) -> dict[str, Any]:
    """Return what a manifest says.

    Raises
    ------
    DocumentRefusedError, BadInputError
        If it is no YAML document within limits, or no manifest of this form.
    """
    document = parse_yaml(payload, location=location)
    found = (document.get("apiVersion"), document.get("kind"))
    if found != (API_VERSION, KIND):
        raise BadInputError(location=location, found=f"{found}", expected=f"{API_VERSION} {KIND}")
    return document
