"""The candidates and the snapshot that the tests of the whole graph evaluate."""

from importlib.resources import files

SNAPSHOT = "us-megacaps@2021-12-31"
PASSING = "tsmom-megacaps-v1"
REFUSED = "dip-buying-megacaps-v1"
KEY = f"{PASSING}|{SNAPSHOT}"
REFUSED_KEY = f"{REFUSED}|{SNAPSHOT}"


NOT_IN_AN_EVALUATION = {
    *("paper_deployment", "order_intents", "paper_orders", "paper_fills", "paper_tca"),
    *("paper_gate_report", "drift_report", "rollback_plan", "rollback_receipt"),
    *("incident_report", "ramp_stage_1", "ramp_stage_2_plus"),
}
"""Assets that trading makes; the evaluated home has none of them."""


def example(candidate_id: str) -> bytes:
    """Return a shipped example candidate's file."""
    return (files("torghut_assets.candidates") / f"{candidate_id}.yaml").read_bytes()
