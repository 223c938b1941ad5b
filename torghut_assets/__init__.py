"""Torghut Assets: a strategy's way from thesis to capital as a Dagster asset graph."""

from torghut_assets.version import __version__

__all__ = ["__version__"]
