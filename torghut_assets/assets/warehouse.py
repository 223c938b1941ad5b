"""The warehouse: evidence as tables that SQL can ask. Reads everything, decides nothing.

Its models and tests are dbt's; a small file beside them, written by `make docs`, says which there
are, so that the graph knows them without dbt. They are built together or not at all: a warehouse
is about one state of the ledger.
"""

import json
from collections.abc import Iterator
from importlib.resources import files
from typing import Any, Final

import dagster as dg

from torghut_assets.assets.keys import ASSETS
from torghut_assets.resources.home import Home

GROUP: Final = "warehouse"
JOB: Final = "build_warehouse"
_PREPARED: Final[dict[str, Any]] = json.loads(
    (files("torghut_assets.dbt") / "graph.json").read_bytes()
)
_WARNS: Final = "warn"


def _upstream(model: dict[str, Any]) -> list[str]:
    """Return the models that a model reads, and the assets whose records it shows."""
    every = ASSETS if "every" in model["assets"] else model["assets"]
    return [*model["models"], *every]


MODELS: Final = tuple(
    dg.AssetSpec(
        model["name"],
        deps=_upstream(model),
        description=model["description"],
        group_name=GROUP,
        owners=["team:governance"],
        kinds={"dbt", "duckdb"},
        code_version=_PREPARED["code_digest"][:16],
    )
    for model in _PREPARED["models"]
)
TESTS: Final = tuple(
    dg.AssetCheckSpec(test["name"], asset=test["model"], description=test["description"])
    for test in _PREPARED["tests"]
)


@dg.multi_asset(name=GROUP, specs=MODELS, check_specs=TESTS, can_subset=False)
def warehouse(
    home: dg.ResourceParam[Home],
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    """Export what the ledger states, build every model of it and run every test."""
    from torghut_assets.resources.warehouse_build import WarehouseRefusedError, build_warehouse

    built = build_warehouse(home, {name: made.record_type for name, made in ASSETS.items()})
    results = {result.name: result for result in built.results}
    for test in _PREPARED["tests"]:
        found = results.get(test["name"])
        if found is None or found.status == "skipped":
            continue
        yield dg.AssetCheckResult(
            check_name=test["name"],
            asset_key=test["model"],
            passed=found.status == "pass",
            severity=(
                dg.AssetCheckSeverity.WARN
                if test["severity"] == _WARNS
                else dg.AssetCheckSeverity.ERROR
            ),
            description=found.message or "no row contradicts it",
            metadata={"rows_against_it": found.failures},
        )
    if built.wrong:
        raise WarehouseRefusedError(built.wrong, home.warehouse_path)
    for model in MODELS:
        yield dg.MaterializeResult(
            asset_key=model.key,
            metadata={
                "rows": built.rows[model.key.to_user_string()],
                "ledger_sequence": built.export.ledger_sequence,
                "ledger_root": built.export.ledger_root,
            },
        )
