"""The code location: only assembly, everything listed by name."""

import json
from functools import lru_cache
from typing import Final

import dagster as dg

from torghut_assets.advisory import assets as advisory
from torghut_assets.assets import (
    audit,
    backtest,
    candidates,
    gates,
    monitoring,
    orders,
    overfit,
    paper_gates,
    ramp,
    rollback,
    snapshots,
    tca,
    warehouse,
)
from torghut_assets.assets.keys import ASSETS, AUDITED, Made
from torghut_assets.assets.policies import policy_assets, settings_in_force
from torghut_assets.checks import audit as audit_checks
from torghut_assets.checks import backtest as backtest_checks
from torghut_assets.checks import candidates as candidate_checks
from torghut_assets.checks import gates as gate_checks
from torghut_assets.checks import monitoring as monitoring_checks
from torghut_assets.checks import orders as order_checks
from torghut_assets.checks import overfit as overfit_checks
from torghut_assets.checks import paper_gates as paper_gate_checks
from torghut_assets.checks import ramp as ramp_checks
from torghut_assets.checks import rollback as rollback_checks
from torghut_assets.checks import snapshots as snapshot_checks
from torghut_assets.checks import tca as tca_checks
from torghut_assets.resources.advisory_llm import AdvisoryModel
from torghut_assets.resources.code_version import CODE_TAG, installed_code_digest
from torghut_assets.resources.drift_desk import DriftDesk
from torghut_assets.resources.evaluation_desk import EvaluationDesk
from torghut_assets.resources.home import Home
from torghut_assets.resources.paper_gate_desk import PaperGateDesk
from torghut_assets.resources.ramp_desk import RampDesk
from torghut_assets.resources.record_io import Turn, record_io
from torghut_assets.resources.rollback_desk import RollbackDesk
from torghut_assets.resources.session_desk import SessionDesk
from torghut_assets.resources.stage_desk import Held, StageDesk
from torghut_assets.resources.tca_desk import TcaDesk
from torghut_assets.sensors.candidate_intake import candidate_intake
from torghut_assets.sensors.drift_rollback import drift_rollback
from torghut_assets.sensors.drift_silence import drift_silence
from torghut_assets.sensors.lineage_emission import lineage_emission
from torghut_assets.sensors.session_advance import session_advance
from torghut_assets.sensors.stage_advance import stage_advance

_CODE: Final = {CODE_TAG: installed_code_digest()}
"""Tag of every run of a job: a worker with other code refuses it."""


def _in_kubernetes(cpu: str, memory: str) -> dict[str, str]:
    """Return the tag that asks Kubernetes for resources for a job's run; elsewhere it is unread."""
    asked = {"requests": {"cpu": cpu, "memory": memory}, "limits": {"memory": memory}}
    return {"dagster-k8s/config": json.dumps({"container_config": {"resources": asked}})}


SETTLE_POLICIES = dg.define_asset_job(
    "settle_policies",
    tags=_CODE,
    selection=dg.AssetSelection.groups("policy"),
    description="Parse the settings in force into records.",
)
BUILD_CANDIDATE = dg.define_asset_job(
    "build_candidate",
    tags=_CODE,
    selection=dg.AssetSelection.assets("candidate_spec", "strategy_build"),
    description="Parse a submitted candidate and put its plugin to the test.",
)
TAKE_SNAPSHOT = dg.define_asset_job(
    "take_snapshot",
    tags=_CODE | _in_kubernetes("1", "4Gi"),
    selection=dg.AssetSelection.assets("dataset_snapshot"),
    description="Take an immutable cut of a universe's bars.",
)
EVALUATE_CANDIDATE = dg.define_asset_job(
    "evaluate_candidate",
    tags=_CODE | _in_kubernetes("1", "4Gi"),
    selection=dg.AssetSelection.assets(
        "target_weights",
        "backtest_metrics",
        "stress_metrics",
        "overfit_diagnostics",
        "reproducibility_manifest",
        "gate_report",
        "research_feedback",
    ),
    description="Evaluate one candidate on one snapshot, through its gate report.",
)
ADVISE_CANDIDATE = dg.define_asset_job(
    advisory.JOB,
    tags=_CODE,
    selection=dg.AssetSelection.assets(*advisory.ON_EVALUATIONS),
    description="Write advisory notes on one evaluation; they decide nothing.",
)
ADVISE_SESSION = dg.define_asset_job(
    advisory.SESSION_JOB,
    tags=_CODE,
    selection=dg.AssetSelection.assets(*advisory.ON_SESSIONS),
    description="Write advisory notes on one session; they decide nothing.",
)

HELD: Final[dict[str, Made]] = {**ASSETS, **AUDITED, **advisory.ADVICE}
"""What every asset of the graph holds. Decisions are read from `ASSETS` only."""

DEPLOY_CANDIDATE = dg.define_asset_job(
    "deploy_candidate",
    tags=_CODE,
    selection=dg.AssetSelection.assets("paper_deployment"),
    description="Admit a candidate that passed its gate to paper trading.",
)
TRADE_SESSION = dg.define_asset_job(
    "trade_session",
    tags=_CODE | _in_kubernetes("500m", "2Gi"),
    selection=dg.AssetSelection.assets(
        "order_intents",
        "paper_orders",
        "paper_fills",
        "paper_tca",
        "paper_gate_report",
        "drift_report",
    ),
    description="Trade one session of one deployed candidate on paper, and judge it.",
)
CLIMB_RAMP = dg.define_asset_job(
    "climb_ramp",
    tags=_CODE,
    selection=dg.AssetSelection.assets("ramp_stage_1", "ramp_stage_2_plus"),
    description="Say on which level of capital a candidate is, and take the next step if it may.",
)
ROLL_BACK = dg.define_asset_job(
    "roll_back",
    tags=_CODE,
    selection=dg.AssetSelection.assets("rollback_plan", "rollback_receipt", "incident_report"),
    description="Take a candidate out: cancel, close, read back, report.",
)

MAP_CONTROLS = dg.define_asset_job(
    "map_controls",
    tags=_CODE,
    selection=dg.AssetSelection.assets("control_evidence_map"),
    description="Look up what this home holds for each requirement of the regulatory map.",
)
BUILD_WAREHOUSE = dg.define_asset_job(
    warehouse.JOB,
    tags=_CODE,
    selection=dg.AssetSelection.groups(warehouse.GROUP),
    description="Make every table of the warehouse from what the ledger states.",
)

JOB_OF_STEP: Final = {
    "settings": "settle_policies",
    "candidate": "build_candidate",
    "snapshot": "take_snapshot",
    "evaluation": "evaluate_candidate",
    "deployment": "deploy_candidate",
    "session": "trade_session",
    "ramp": "climb_ramp",
    "rollback": "roll_back",
}


def stage_desk(home: Home) -> StageDesk:
    """Open the desk that decides stages in one home."""
    held = {
        name: Held(made.record_type, made.dimension, made.command) for name, made in ASSETS.items()
    }
    return StageDesk(home, held)


def build_definitions(home: Home) -> dg.Definitions:
    """Assemble the code location for one home."""
    sessions = SessionDesk(home)
    stages = stage_desk(home)
    return dg.Definitions(
        assets=[
            *policy_assets(home),
            candidates.candidate_spec,
            candidates.strategy_build,
            snapshots.dataset_snapshot,
            backtest.target_weights,
            backtest.backtest_metrics,
            backtest.stress_metrics,
            overfit.overfit_diagnostics,
            backtest.reproducibility_manifest,
            gates.gate_report,
            gates.research_feedback,
            orders.paper_deployment,
            orders.order_intents,
            orders.paper_orders,
            orders.paper_fills,
            tca.paper_tca,
            paper_gates.paper_gate_report,
            monitoring.drift_report,
            ramp.ramp_stage_1,
            ramp.ramp_stage_2_plus,
            rollback.rollback_plan,
            rollback.rollback_receipt,
            rollback.incident_report,
            audit.control_evidence_map,
            advisory.experiment_summary,
            advisory.rationale_review,
            advisory.parameter_proposal,
            advisory.runbook_actions,
            warehouse.warehouse,
        ],
        asset_checks=[
            candidate_checks.conformance,
            candidate_checks.no_look_ahead,
            snapshot_checks.data_schema_validation,
            backtest_checks.folds_complete,
            backtest_checks.stress_differs_from_base,
            overfit_checks.trials_counted,
            backtest_checks.computed_twice_alike,
            gate_checks.gate_decision,
            order_checks.risk_guardrails,
            order_checks.idempotency_keys,
            order_checks.parity,
            order_checks.reconciled,
            tca_checks.shortfall_ties,
            paper_gate_checks.gate3,
            monitoring_checks.drift_within_limits,
            ramp_checks.ramp_stage_1_granted,
            ramp_checks.ramp_stage_2_plus_granted,
            rollback_checks.read_back_matches,
            audit_checks.every_requirement_evidenced,
        ],
        jobs=[
            SETTLE_POLICIES,
            BUILD_CANDIDATE,
            TAKE_SNAPSHOT,
            EVALUATE_CANDIDATE,
            DEPLOY_CANDIDATE,
            TRADE_SESSION,
            CLIMB_RAMP,
            ROLL_BACK,
            ADVISE_CANDIDATE,
            ADVISE_SESSION,
            MAP_CONTROLS,
            BUILD_WAREHOUSE,
        ],
        sensors=[
            candidate_intake,
            drift_rollback,
            drift_silence,
            lineage_emission,
            session_advance,
            stage_advance,
        ],
        executor=dg.in_process_executor,
        resources={
            "home": home,
            "stage_desk": stages,
            "desk": EvaluationDesk(home),
            "session_desk": sessions,
            "tca_desk": TcaDesk(sessions.bars),
            "paper_gate_desk": PaperGateDesk(home),
            "drift_desk": DriftDesk(home),
            "rollback_desk": RollbackDesk(home),
            "ramp_desk": RampDesk(home),
            "advisory_model": AdvisoryModel(home),
            "record_io": record_io(
                home,
                {name: made.record_type for name, made in HELD.items()},
                {name: made.command for name, made in HELD.items()},
                stages.guard,
                stages.statements,
                lambda name, about: Turn(HELD[name].turn(about), HELD[name].dimension),
            ),
        },
    )


@lru_cache(maxsize=1)
def _built(home: Home, settings: tuple[str, ...]) -> dg.Definitions:  # noqa: ARG001 - a key
    return build_definitions(home)


@dg.definitions
def defs() -> dg.Definitions:
    """Build the code location of the home that the environment names.

    A worker loads it for every run. While the settings are the same it is the same object, whose
    desks need not read again what they have verified.
    """
    home = Home.from_environment()
    home.require_format()
    return _built(home, settings_in_force(home))
