"""Doors to the outside: files, clocks, market data. Installed as `torghut_assets.resources`."""
