import os, dagster as dg
os.makedirs(os.environ["DAGSTER_HOME"], exist_ok=True)
open(os.environ["DAGSTER_HOME"]+"/dagster.yaml","w").write("telemetry:\n  enabled: false\n")
with dg.DagsterInstance.get() as i:
    i.add_dynamic_partitions("candidate", ["tsmom-megacaps-v1"])
    i.report_runless_asset_event(dg.AssetMaterialization("gate_policy", tags={"dagster/data_version":"ab"*32}, metadata={"kind":"gate-policy"}))
    i.report_runless_asset_event(dg.AssetMaterialization("strategy_build", partition="tsmom-megacaps-v1", tags={"dagster/data_version":"cd"*32}))
    print(dg.__version__, i.run_storage.alembic_version(), i.event_log_storage.alembic_version())
