"""Advice by a language model: leaves of the graph, on which nothing depends."""
