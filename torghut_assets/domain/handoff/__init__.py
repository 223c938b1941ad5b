"""Handing the work on: manifests of what is implemented, and what proves each of them."""
