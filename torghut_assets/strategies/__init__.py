"""The strategy plugins that ship: one module per family and major version."""
