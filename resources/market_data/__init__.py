"""Doors to market data: every source gives the same bars through one interface."""
