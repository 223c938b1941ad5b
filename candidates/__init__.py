"""Example candidates, as files that a researcher would submit."""
