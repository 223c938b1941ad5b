"""The one place that states the version of the project."""

__version__ = "0.1.0"
