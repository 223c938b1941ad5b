"""Asset checks: they show what a record says. Nothing trusts them; see design promise 1.

Dagster calls partitioned checks a preview; the minor version is pinned and
`tests/graph/test_partitioned_checks.py` keeps an eye on their behaviour.
"""

import warnings

import dagster as dg

warnings.filterwarnings("ignore", category=dg.PreviewWarning)
