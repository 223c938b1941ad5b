"""Rows of the evidence warehouse: records and register entries, flattened and nothing added."""
