"""Immutable dataset cuts: bars, their manifest and their quality."""
