"""Rollback: what takes a candidate back out, and how it is known that it is out."""
