"""Audit: questions about decisions, and packs that hold one with all its evidence."""
