"""Counts of trials that were handed out, and all records in the store that claim one."""

import json
from collections.abc import Iterator
from typing import TypeVar

from torghut_assets.domain.backtest.overfit_records import OverfitDiagnostics
from torghut_assets.domain.backtest.register_checks import RegisterFinding
from torghut_assets.domain.backtest.trial_claims import check_count, check_diagnostics
from torghut_assets.domain.backtest.trial_count import TrialCount
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.records import Record
from torghut_assets.resources.artifact_store import ArtifactStore
from torghut_assets.resources.trial_register import TrialRegister

RecordT = TypeVar("RecordT", bound=Record)


def hand_out_count(register: TrialRegister, store: ArtifactStore, candidate_id: str) -> TrialCount:
    """Count a family's trials for use in a record; keep the count and its policy.

    A count that was kept contradicts a register whose history is changed afterwards.
    """
    count: TrialCount = register.count(candidate_id)
    store.put(register.policy.canonical_bytes())
    store.put(count.canonical_bytes())
    return count


def verify_claims(register: TrialRegister, store: ArtifactStore) -> tuple[RegisterFinding, ...]:
    """Count again every number of trials that a record in the store claims.

    Raises
    ------
    TrialRegisterBrokenError
        If the register itself is not whole.
    EvidenceError
        If a claiming record does not hash to its name or is not in canonical form.
    """
    entries = register.entries()
    policies = {register.policy.digest: register.policy}
    policies |= {policy.digest: policy for policy in _stored(store, TrialPolicy)}
    findings = [check_count(entries, claim, policies) for claim in _stored(store, TrialCount)]
    findings += [
        check_diagnostics(entries, claim, policies) for claim in _stored(store, OverfitDiagnostics)
    ]
    return tuple(finding for finding in findings if finding is not None)


def _stored(store: ArtifactStore, kind: type[RecordT]) -> Iterator[RecordT]:
    """All records of a kind, in order of their digest, verified."""
    opening = b'{"kind":' + json.dumps(kind.record_kind).encode("ascii") + b","
    for digest in store.digests():
        if store.opening(digest, len(opening)) == opening:
            yield kind.from_canonical_bytes(store.get(digest), location=digest)
