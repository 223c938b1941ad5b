"""Reference cases whose form differs from the library's: one small adapter each.

A case may ask for two conventions at once, for several calls in one, or describe its data
in words or as a table. Nothing is computed here that the library does not compute.
"""
