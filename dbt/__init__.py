"""The dbt project over the evidence warehouse. Installed as `torghut_assets.dbt`."""
