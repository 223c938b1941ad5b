"""Gate policies and the decisions computed from them."""
