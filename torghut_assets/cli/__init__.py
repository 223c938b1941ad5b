"""The `torghut` command: parse, call, print."""
