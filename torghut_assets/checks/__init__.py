"""Asset checks: they show what a record says. Nothing trusts them; see design promise 1."""
