"""Drift: whether live behaviour still matches the evidence."""
