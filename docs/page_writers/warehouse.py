"""What the asset graph must know of the dbt project, read from dbt's own manifest.

`dbt/graph.json` is part of the package: the definitions read it instead of dbt.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.resources.warehouse_dbt import parsed_manifest

PROJECT = Path(__file__).resolve().parents[2] / "dbt"


def graph_file() -> str:
    """Return models in the order in which they are made, and tests, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = parsed_manifest(Path(folder))
    nodes = manifest["nodes"].values()
    models = [_model(n, manifest) for n in nodes if n["resource_type"] == "model"]
    models.sort(key=lambda m: (bool(m["models"]), m["name"]))
    tests = [_test(n, manifest) for n in nodes if n["resource_type"] == "test"]
    tests.sort(key=lambda t: (t["model"], t["name"]))
    document = {"code_digest": code_digest(), "models": models, "tests": tests}
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def code_digest() -> str:
    """SHA-256 over the files of the project that can change what is built."""
    kinds = (".sql", ".yml")
    found = {
        path.relative_to(PROJECT).as_posix(): sha256_hex(path.read_bytes())
        for path in sorted(PROJECT.rglob("*"))
        if path.suffix in kinds
    }
    return sha256_hex(canonical_json(found))


def _model(node: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    above = node["depends_on"]["nodes"]
    sources = [manifest["sources"][name] for name in above if name.startswith("source.")]
    assets = {asset for source in sources for asset in source["meta"]["assets"]}
    return {
        "name": node["name"],
        "description": node["description"],
        "models": sorted(name.split(".")[-1] for name in above if name.startswith("model.")),
        "assets": sorted(assets),
    }


def _test(node: dict[str, Any], manifest: dict[str, Any]) -> dict[str, Any]:
    attached = node.get("attached_node")
    model = (
        manifest["nodes"][attached]["name"]
        if attached
        else node["config"]["meta"]["dagster"]["ref"]["name"]
    )
    return {
        "name": node["name"],
        "model": model,
        "description": node["description"] or _said_of(node["test_metadata"]),
        "severity": node["config"]["severity"].lower(),
    }


def _said_of(test: dict[str, Any]) -> str:
    """Return what a generic test claims, in a sentence."""
    asked = test["kwargs"]
    column = asked.get("column_name")
    match test["name"]:
        case "one_row_per":
            return f"One row for each {', '.join(asked['columns'])}."
        case "not_null":
            return f"{column} is never empty."
        case "is_digest":
            return f"{column} is empty or a SHA-256."
        case "is_a_stage":
            return f"{column} is empty or one of the nine stages."
        case "accepted_values":
            return f"{column} is one of {', '.join(asked['values'])}."
        case "is_found_in":
            named = asked["to"].removeprefix("ref('").removesuffix("')")
            return f"{column} is empty, a {asked['field']} of {named}, or of a removed record."
        case name:
            raise ValueError(f"say what the test {name} claims")
