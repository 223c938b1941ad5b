"""What must hold before a strategy may be evaluated, decided on records."""

from dataclasses import dataclass

from torghut_assets.domain.backtest.records import (
    CostModel,
    EvaluationInputs,
    EvaluationSettings,
    RiskLimits,
)
from torghut_assets.domain.backtest.trial_policy import TrialPolicy
from torghut_assets.domain.candidates.records import CandidateSpec, StrategyBuild
from torghut_assets.domain.errors import EvidenceContradictionError, StageRefusedError
from torghut_assets.domain.snapshots.records import SnapshotManifest
from torghut_assets.domain.verdicts import Verdict


@dataclass(frozen=True)
class EvaluationEvidence:
    """The records that an evaluation rests on."""

    spec: CandidateSpec
    build: StrategyBuild
    manifest: SnapshotManifest
    cost_model: CostModel
    risk_limits: RiskLimits
    settings: EvaluationSettings
    trial_policy: TrialPolicy

    @property
    def inputs(self) -> EvaluationInputs:
        """Digests of all of them."""
        return EvaluationInputs(
            candidate_id=self.spec.candidate_id,
            snapshot_id=self.manifest.snapshot_id,
            spec_digest=self.spec.digest,
            build_digest=self.build.digest,
            manifest_digest=self.manifest.digest,
            cost_model_digest=self.cost_model.digest,
            risk_limits_digest=self.risk_limits.digest,
            settings_digest=self.settings.digest,
            trial_policy_digest=self.trial_policy.digest,
        )


def require_ready(evidence: EvaluationEvidence, plugin_code_digest: str) -> None:
    """Refuse an evaluation whose data or plugin may not be used.

    Parameters
    ----------
    evidence : EvaluationEvidence
    plugin_code_digest : str
        Digest of the plugin's code as installed now.

    Raises
    ------
    StageRefusedError
        If the snapshot has errors or the plugin failed its conformance suite.
    EvidenceContradictionError
        If the build is of another specification or other code, or the candidate was
        written for another universe.
    """
    candidate = evidence.spec.candidate_id
    if evidence.manifest.errors:
        first = evidence.manifest.errors[0]
        raise StageRefusedError(
            f"{evidence.manifest.snapshot_id}: data schema validation failed ({first.check}: "
            f"{first.example}). Correct the source and take another snapshot."
        )
    if evidence.build.verdict is not Verdict.PASS:
        failed = [r.test for r in evidence.build.results if r.verdict is not Verdict.PASS]
        raise StageRefusedError(
            f"{candidate}: the plugin failed {', '.join(failed)}. See the conformance table of "
            "strategy_build; correct the plugin under a new version."
        )
    _agree(f"strategy_build of {candidate}", evidence.build.spec_digest, evidence.spec.digest)
    _agree(f"plugin code of {candidate}", evidence.build.code_digest, plugin_code_digest)
    _agree(f"universe of {candidate}", evidence.spec.universe, evidence.manifest.universe)


def _agree(location: str, found: str, expected: str) -> None:
    if found != expected:
        raise EvidenceContradictionError(location=location, found=found, expected=expected)
