"""Do faults to real homes, and print the table. `--help` says which."""

import argparse
import sys
import tempfile
from pathlib import Path

from . import boundary


def main() -> int:
    """Exit status: 0 nothing lost, doubled or unseen, 1 something, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=20261130)
    parser.add_argument("--points", type=int, default=None, help="per kind; less is quicker")
    parser.add_argument("--only", action="append", help="a kind of fault, or a scene of kills")
    arguments = parser.parse_args()
    if boundary.compiler() is None:
        print("faults: no C compiler (cc) here; the boundary cannot be built", file=sys.stderr)
        return 2
    if not boundary.is_here():
        with tempfile.TemporaryDirectory() as folder:
            done = boundary.preloaded(["-m", __spec__.parent, *sys.argv[1:]], Path(folder))
        return done.returncode
    from .campaign import campaign

    return campaign(arguments.seed, arguments.points, arguments.only)


if __name__ == "__main__":
    sys.exit(main())
