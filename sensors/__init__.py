"""Reactions to events. Installed as `torghut_assets.sensors`."""
