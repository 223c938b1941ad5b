"""The stage machine: pipeline file, conditions, receipts, and the proof that the graph agrees."""
