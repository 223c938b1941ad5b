"""Keys of the assets; what each holds stands in `held_records`."""

from typing import Final

import dagster as dg

from torghut_assets.assets.held_records import ASSETS, AUDITED, Made

__all__ = ["ASSETS", "AUDITED", "Made"]

PIPELINE_CONFIG: Final = dg.AssetKey("pipeline_config")
GATE_POLICY: Final = dg.AssetKey("gate_policy")
COST_MODEL: Final = dg.AssetKey("cost_model")
RISK_LIMITS: Final = dg.AssetKey("risk_limits")
EVALUATION_SETTINGS: Final = dg.AssetKey("evaluation_settings")
TRIAL_POLICY: Final = dg.AssetKey("trial_policy")
CANDIDATE_SPEC: Final = dg.AssetKey("candidate_spec")
STRATEGY_BUILD: Final = dg.AssetKey("strategy_build")
DATASET_SNAPSHOT: Final = dg.AssetKey("dataset_snapshot")
TARGET_WEIGHTS: Final = dg.AssetKey("target_weights")
BACKTEST_METRICS: Final = dg.AssetKey("backtest_metrics")
STRESS_METRICS: Final = dg.AssetKey("stress_metrics")
OVERFIT_DIAGNOSTICS: Final = dg.AssetKey("overfit_diagnostics")
REPRODUCIBILITY_MANIFEST: Final = dg.AssetKey("reproducibility_manifest")
GATE_REPORT: Final = dg.AssetKey("gate_report")
RESEARCH_FEEDBACK: Final = dg.AssetKey("research_feedback")
ORDER_LIMITS: Final = dg.AssetKey("order_limits")
PAPER_POLICY: Final = dg.AssetKey("paper_policy")
PAPER_DEPLOYMENT: Final = dg.AssetKey("paper_deployment")
ORDER_INTENTS: Final = dg.AssetKey("order_intents")
PAPER_ORDERS: Final = dg.AssetKey("paper_orders")
PAPER_FILLS: Final = dg.AssetKey("paper_fills")
PAPER_GATE_POLICY: Final = dg.AssetKey("paper_gate_policy")
PAPER_TCA: Final = dg.AssetKey("paper_tca")
PAPER_GATE_REPORT: Final = dg.AssetKey("paper_gate_report")
DRIFT_POLICY: Final = dg.AssetKey("drift_policy")
DRIFT_REPORT: Final = dg.AssetKey("drift_report")
ROLLBACK_PLAN: Final = dg.AssetKey("rollback_plan")
ROLLBACK_RECEIPT: Final = dg.AssetKey("rollback_receipt")
INCIDENT_REPORT: Final = dg.AssetKey("incident_report")
RETENTION_POLICY: Final = dg.AssetKey("retention_policy")
RAMP_POLICY: Final = dg.AssetKey("ramp_policy")
CONTROL_EVIDENCE_MAP: Final = dg.AssetKey("control_evidence_map")
RAMP_STAGE_1: Final = dg.AssetKey("ramp_stage_1")
RAMP_STAGE_2_PLUS: Final = dg.AssetKey("ramp_stage_2_plus")
