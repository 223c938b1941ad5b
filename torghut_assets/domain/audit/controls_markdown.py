"""The control map as a page of the documentation: what is asked for and where evidence lies."""

from torghut_assets.domain.audit.controls import DISCLAIMER, ControlMap, Requirement

_HEAD = (
    "| clause | asks for | records | checks | commands | not covered |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)


def map_markdown(control_map: ControlMap) -> str:
    """Return the page; what a home holds is not part of it, `torghut audit controls` shows that."""
    sections = [
        f"## {rule.rule}\n\nSource: <{rule.source}>\n\n{_HEAD}"
        + "".join(_row(requirement) for requirement in rule.requirements)
        for rule in control_map.rules
    ]
    return (
        f"# Regulatory map\n\n**{DISCLAIMER}**\n\n"
        "Written from `torghut_assets/config/control_map.yaml`; a test proves that every record "
        "kind, check and command named here exists. `torghut audit controls` shows the same "
        "requirements with the number of records that a home holds and the newest of each kind, "
        "or **NOT EVIDENCED**. "
        "Nothing here sends a live order, so evidence is of paper trading.\n\n"
        + "\n".join(sections)
    )


def _row(requirement: Requirement) -> str:
    cells = (
        requirement.clause,
        requirement.asks_for,
        _listed(requirement.record_kinds) or "**NOT EVIDENCED**: nothing speaks to it",
        _listed(requirement.checks),
        _listed(requirement.commands),
        requirement.gap or "",
    )
    return "| " + " | ".join(cells) + " |\n"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
