"""Simulation and the statistics of its results."""
