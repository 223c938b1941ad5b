"""Metrics of a home, computed from its records when somebody asks."""
