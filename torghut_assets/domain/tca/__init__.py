"""Transaction cost analysis: what execution cost, and why."""
