"""The `torghut` command in this process: arguments in, output and exit status out."""

import contextlib
import io
import os
import sys
from typing import NamedTuple
from unittest.mock import patch

from torghut_assets.cli.main import main


class Done(NamedTuple):
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def torghut(*arguments, **environment):
    """Run the command as a shell would, without the start of another interpreter."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        patch.object(sys, "argv", ["torghut", *arguments]),
        patch.object(sys, "stdin", io.StringIO()),
        patch.dict(os.environ, {"NO_COLOR": "1", **environment}),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    return Done(code, out.getvalue(), err.getvalue())
