"""Make the frozen Dagster instance of an older Dagster: `DAGSTER_HOME=FOLDER python make.py`.

Run with dagster 1.8.13, SQLAlchemy 2.0 and alembic 1.13 on Python 3.11, then packed with
`tar -cJf instance.tar.xz FOLDER`. That Dagster left its schema's revision unwritten there, so
the row (284a732df317, the head of 1.8.13) is put into `alembic_version` by hand below, where a
home of that time has it.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import dagster as dg

HOME = Path(os.environ["DAGSTER_HOME"])
REVISION = "284a732df317"
HOME.mkdir(parents=True, exist_ok=True)
(HOME / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
with dg.DagsterInstance.get() as instance:
    instance.add_dynamic_partitions("candidate", ["tsmom-megacaps-v1"])
    for asset, partition, digest in (
        ("gate_policy", None, "ab" * 32),
        ("strategy_build", "tsmom-megacaps-v1", "cd" * 32),
    ):
        instance.report_runless_asset_event(
            dg.AssetMaterialization(
                asset, partition=partition, tags={"dagster/data_version": digest}
            )
        )
for name in ("history/runs.db", "history/runs/index.db", "schedules/schedules.db"):
    with closing(sqlite3.connect(HOME / name)) as database:
        if database.execute("SELECT count(*) FROM alembic_version").fetchone() == (0,):
            database.execute("INSERT INTO alembic_version VALUES (?)", (REVISION,))
        database.commit()
