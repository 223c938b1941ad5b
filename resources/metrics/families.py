"""Every metric: its name, what it says, its labels and where its numbers come from.

`docs/observability.md` is written from this table, the alert rules and the dashboard are held
to it, and a sample that is not declared here cannot be exported.
"""

from typing import Final, Literal, NamedTuple

Kind = Literal["gauge", "histogram"]
Source = Literal[
    "dagster",
    "sensors",
    "receipts",
    "gates",
    "orders",
    "drift",
    "kill",
    "ledger",
    "store",
    "collector",
]


class Family(NamedTuple):
    """One metric.

    Parameters
    ----------
    name : str
        With its unit, as Prometheus wants it.
    help : str
        One line.
    source : str
        What it is computed from.
    labels : tuple of str
    kind : str
        Numbers are counted anew from records at each scrape, so a count is a gauge too: it
        falls when somebody takes another home.
    """

    name: str
    help: str
    source: Source
    labels: tuple[str, ...] = ()
    kind: Kind = "gauge"


LATENCY_BUCKETS_SECONDS: Final = (
    0.1,
    0.5,
    1.0,
    2.0,
    5.0,
    10.0,
    30.0,
    60.0,
    300.0,
    3600.0,
    86400.0,
    345600.0,
)

FAMILIES: Final = (
    Family("torghut_runs", "Dagster runs by status.", "dagster", ("status",)),
    Family(
        "torghut_daemon_heartbeat_age_seconds",
        "Time since a Dagster daemon gave a sign of life.",
        "sensors",
        ("daemon",),
    ),
    Family(
        "torghut_sensor_lag_seconds",
        "Time since a sensor that is on looked last.",
        "sensors",
        ("sensor",),
    ),
    Family(
        "torghut_sensor_last_tick_failed",
        "1 if a sensor's last look ended in an error.",
        "sensors",
        ("sensor",),
    ),
    Family(
        "torghut_stage_decisions",
        "Stage receipts by stage and outcome.",
        "receipts",
        ("stage", "outcome"),
    ),
    Family(
        "torghut_refusals",
        "Conditions that did not hold when a stage was decided, over all receipts.",
        "receipts",
        ("stage", "condition"),
    ),
    Family(
        "torghut_gate_reports",
        "Evaluations by the verdict of their newest gate report.",
        "gates",
        ("verdict",),
    ),
    Family(
        "torghut_gate_reasons",
        "Reasons in the newest gate reports that did not pass.",
        "gates",
        ("reason",),
    ),
    Family(
        "torghut_gate_reports_unread",
        "Gate reports that this process has not read yet; it reads some at each scrape.",
        "gates",
    ),
    Family("torghut_orders", "Orders by their status.", "orders", ("status",)),
    Family(
        "torghut_order_decision_to_submit_seconds",
        "From the decision to the submission of an order, in the time of the trading day.",
        "orders",
        (),
        "histogram",
    ),
    Family(
        "torghut_order_submit_to_acknowledge_seconds",
        "From the submission of an order to the broker's first answer.",
        "orders",
        (),
        "histogram",
    ),
    Family("torghut_deployments", "Candidates deployed on paper and not taken out.", "drift"),
    Family(
        "torghut_drift_level",
        "1 for the level of a deployed candidate's newest drift report.",
        "drift",
        ("candidate", "level"),
    ),
    Family(
        "torghut_sessions_behind",
        "Sessions that are over and of which a deployed candidate has no drift report.",
        "drift",
        ("candidate", "broker"),
    ),
    Family(
        "torghut_kill_switch_state",
        "1 for the state of the kill switch: clear, engaged or unreadable.",
        "kill",
        ("state",),
    ),
    Family("torghut_kill_latches_engaged", "Latches that nobody lifted.", "kill"),
    Family("torghut_ledger_entries", "Entries of the ledger.", "ledger"),
    Family("torghut_ledger_head_age_seconds", "Time since the ledger's last entry.", "ledger"),
    Family(
        "torghut_ledger_anchor_lag_entries",
        "Entries that the anchor of this home does not cover yet.",
        "ledger",
    ),
    Family("torghut_artifacts", "Artifacts in the store.", "store"),
    Family("torghut_artifact_store_bytes", "Bytes of all artifacts in the store.", "store"),
    Family(
        "torghut_source_up",
        "0 if a source could not be read at this scrape; its metrics are missing then.",
        "collector",
        ("source",),
    ),
    Family(
        "torghut_source_seconds",
        "Processor time that reading a source took at this scrape.",
        "collector",
        ("source",),
    ),
)
BY_NAME: Final = {family.name: family for family in FAMILIES}
