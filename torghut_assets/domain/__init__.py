"""Pure decisions: same arguments, same result. No files, no clocks, no Dagster."""
