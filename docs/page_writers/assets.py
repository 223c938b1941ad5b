"""The page of assets and the picture of the graph, both from the definitions."""

import tempfile
from pathlib import Path
from typing import Any, Final

import dagster as dg

from page_writers.markdown import NOTICE, inline, table
from torghut_assets.assets.keys import ASSETS
from torghut_assets.assets.warehouse import GROUP as WAREHOUSE
from torghut_assets.assets.warehouse import warehouse
from torghut_assets.definitions import HELD, build_definitions
from torghut_assets.resources.home import Home

GROUPS: Final = (
    "policy",
    "research_intake",
    "candidate_build",
    "backtest_robustness",
    "gate_policy_evaluation",
    "shadow_paper_deployment",
    "live_ramp_stage_1",
    "live_ramp_stage_2_plus",
    "continuous_monitoring",
    "rollback_incident",
    "audit",
    "advisory",
    "warehouse",
)
"""The stages in order, after the settings and before what only advises or shows."""


def assets_page() -> str:
    """Return every asset of the graph: group, partition, record, checks and maker."""
    graph, definitions = _graph()
    checks = _checks(definitions)
    parts = [
        NOTICE,
        "# Assets\n",
        (
            "Every asset holds one [record](glossary.md) per partition. A materialization's data\n"
            "version is the record's digest. In the picture an arrow that follows from others is\n"
            "left out; the tables list every input. Assets of the group `warehouse` hold no\n"
            "record: they are [tables](warehouse.md) that show them all, made by\n"
            "`torghut warehouse build`, and are left out of the picture.\n"
        ),
        picture(),
    ]
    for group in _groups_of(graph):
        parts.append(f"## {group}\n")
        for key in _assets_in(graph, group):
            if group == WAREHOUSE:
                parts.append(_model(graph, key, checks))
                continue
            node, made = graph.get(key), HELD[key.to_user_string()]
            inputs = ", ".join(f"`{k.to_user_string()}`" for k in sorted(node.parent_keys))
            rows = [
                ("holds", inline(node.description)),
                ("record kind", f"`{made.record_type.record_kind}`"),
                ("partitioned by", _dimension(node.partitions_def)),
                ("inputs", inputs or "none: it is read from outside"),
                ("made by", f"`{_command(made.command)}`"),
            ]
            rows += [(f"check `{name}`", text) for name, text in checks.get(key, [])]
            parts.append(f"### {key.to_user_string()}\n")
            parts.append(table(("", ""), rows))
    return "\n".join(parts)


def _model(graph: Any, key: dg.AssetKey, checks: dict[dg.AssetKey, list[tuple[str, str]]]) -> str:
    """Return the section of one table of the warehouse."""
    inputs = sorted(k.to_user_string() for k in graph.get(key).parent_keys)
    named = "every record of a stage or setting" if len(inputs) == len(ASSETS) else None
    rows = [
        ("holds", inline(graph.get(key).description)),
        ("inputs", named or ", ".join(f"`{n}`" for n in inputs) or "the ledger and its registers"),
        *((f"check `{name}`", text) for name, text in checks.get(key, [])),
    ]
    return f"### {key.to_user_string()}\n\n{table(('', ''), rows)}"


def picture() -> str:
    """Return the graph as Mermaid, without the arrows that follow from others.

    The warehouse is left out: it shows everything above it.
    """
    graph, _ = _graph()
    lines = ["```mermaid", "flowchart LR"]
    for group in _groups_of(graph):
        if group == WAREHOUSE:
            continue
        names = (f"    {key.to_user_string()}" for key in _assets_in(graph, group))
        lines += [f"  subgraph {group}", *names, "  end"]
    for child in graph.toposorted_asset_keys:
        if graph.get(child).group_name == WAREHOUSE:
            continue
        parents = set(graph.get(child).parent_keys)
        implied = {a for p in parents for a in graph.get_ancestor_asset_keys(p)}
        if direct := " & ".join(p.to_user_string() for p in sorted(parents - implied)):
            lines.append(f"  {direct} --> {child.to_user_string()}")
    return "\n".join([*lines, "```\n"])


def _graph() -> tuple[Any, dg.Definitions]:
    with tempfile.TemporaryDirectory() as folder:
        definitions = build_definitions(Home.at(Path(folder)))
        return definitions.resolve_asset_graph(), definitions


def _groups_of(graph: Any) -> list[str]:
    used = {graph.get(key).group_name for key in graph.get_all_asset_keys()}
    return sorted(used, key=GROUPS.index)


def _assets_in(graph: Any, group: str) -> list[dg.AssetKey]:
    return [k for k in graph.toposorted_asset_keys if graph.get(k).group_name == group]


def _checks(definitions: dg.Definitions) -> dict[dg.AssetKey, list[tuple[str, str]]]:
    found: dict[dg.AssetKey, list[tuple[str, str]]] = {}
    for definition in (*(definitions.asset_checks or ()), warehouse):
        for spec in getattr(definition, "check_specs", ()):
            text = inline(spec.description) + (" (blocks the run)" if spec.blocking else "")
            found.setdefault(spec.asset_key, []).append((spec.name, text))
    return found


def _dimension(definition: dg.PartitionsDefinition[Any] | None) -> str:
    if definition is None:
        return "nothing"
    if isinstance(definition, dg.MultiPartitionsDefinition):
        return " × ".join(d.name for d in definition.partitions_defs)
    return str(getattr(definition, "name", None))


def _command(template: str) -> str:
    return template.format(
        candidate="CANDIDATE",
        snapshot="SNAPSHOT",
        session="SESSION",
        universe="UNIVERSE",
        as_of="DATE",
    )
