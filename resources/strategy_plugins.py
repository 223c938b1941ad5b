"""Strategy plugins: found by entry point, named by type and version, pinned by code digest.

A plugin is an entry point of the group `torghut_assets.strategies`. Its name is the strategy
type; a further major version of the same type takes a suffix (`mean-reversion.2`). The code
digest covers the plugin's module, the modules of its own package that it imports (directly or
through each other), the shared building blocks and the contract itself. Third-party libraries
are pinned by the lock file, not here.
"""

import ast
import builtins
import importlib
import importlib.metadata
import importlib.util
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple, get_args

from torghut_assets.domain.candidates.strategy import (
    Feature,
    LoadedStrategy,
    Strategy,
    StrategyParameters,
)
from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.errors import BadInputError

GROUP: Final = "torghut_assets.strategies"
_SHIPPED: Final = "torghut_assets.strategies"
_ALWAYS: Final = (
    "torghut_assets.domain.candidates.lanes",
    "torghut_assets.domain.candidates.strategy",
    "torghut_assets.strategies.building_blocks",
)


class StrategyEntry(NamedTuple):
    """One registered plugin, not imported yet."""

    type: str
    module: str
    attribute: str
    distribution: str


def find_strategies() -> tuple[StrategyEntry, ...]:
    """Return every registered plugin in order of type and module, without importing any."""
    found = {
        StrategyEntry(
            type=point.name.split(".", 1)[0],
            module=point.module,
            attribute=point.attr or "STRATEGY",
            distribution=point.dist.name if point.dist else "unknown",
        )
        for point in importlib.metadata.entry_points(group=GROUP)
    }
    return tuple(sorted(found))


def load_strategy(type: str, version: str) -> LoadedStrategy:  # noqa: A002 - the spec's own word
    """Import the plugin of this type and version and compute its code digest.

    Parameters
    ----------
    type : str
        Strategy type, e.g. `mean-reversion`.
    version : str
        Semantic version that the plugin must state, e.g. `1.0.0`.

    Raises
    ------
    BadInputError
        If no plugin has this type and version (the message lists those that exist), two
        claim it, the module cannot be imported, or the object is no strategy.
    """
    entries = find_strategies()
    named = [entry for entry in entries if entry.type == type]
    if not named:
        raise BadInputError(
            location="strategy type",
            found=ascii(type)[:80],
            expected=f"one of {', '.join(sorted({e.type for e in entries})) or 'none installed'}",
            action=f"Register the plugin as an entry point of the group {GROUP}.",
        )
    strategies = [(entry, _imported(entry)) for entry in named]
    matching = [(entry, plugin) for entry, plugin in strategies if plugin.version == version]
    if len(matching) != 1:
        offered = ", ".join(f"{p.version} ({e.module} of {e.distribution})" for e, p in strategies)
        raise BadInputError(
            location=f"version of strategy {type}",
            found=f"{ascii(version)[:40]}, which {len(matching)} plugins provide",
            expected=f"exactly one of the installed: {offered}",
        )
    entry, plugin = matching[0]
    return LoadedStrategy(
        strategy=plugin, code_digest=_code_digest(entry.module), module=entry.module
    )


def _imported(entry: StrategyEntry) -> Strategy:
    """Import one plugin; every way in which that can fail is one refusal that names it."""
    where = f"strategy {entry.type} ({entry.module} of {entry.distribution})"
    try:
        found: Any = getattr(importlib.import_module(entry.module), entry.attribute)
    except Exception as error:
        raise BadInputError(
            location=where,
            found=f"{error.__class__.__name__}: {' '.join(str(error).split())[:160]}",
            expected="a module that can be imported",
            action="Repair or uninstall the plugin.",
        ) from error
    _code_digest(entry.module)  # now, so that the digest is of the code that was just imported
    if problem := _contract_problem(found, entry.type):
        raise BadInputError(location=where, found=problem, expected="a strategy plugin")
    strategy: Strategy = found
    return strategy


def _contract_problem(found: Any, strategy_type: str) -> str | None:
    """Say what keeps an object from being a strategy of this type, or return `None`."""
    for attribute in ("name", "version"):
        if not isinstance(getattr(found, attribute, None), str):
            return f"no text in {attribute}"
    if found.name != strategy_type:
        return f"the name {ascii(found.name)[:80]}"
    model = getattr(found, "parameters_type", None)
    if not (isinstance(model, builtins.type) and issubclass(model, StrategyParameters)):
        return "no subclass of StrategyParameters in parameters_type"
    features = getattr(found, "required_features", None)
    if not isinstance(features, tuple) or not set(features) <= set(get_args(Feature)):
        return f"{ascii(features)[:80]} in required_features"
    for method in ("warm_up_bars", "target_weights"):
        if not callable(getattr(found, method, None)):
            return f"no method {method}"
    return None if hasattr(found, "max_gross") else "no max_gross"


@lru_cache(maxsize=64)
def _code_digest(module: str) -> str:
    """Digest over the sources that decide what a plugin computes, by module name."""
    sources = dict(_own_sources(module))
    sources.update({name: _source(name) for name in _ALWAYS})
    return sha256_hex(canonical_json({name: sha256_hex(code) for name, code in sources.items()}))


def _own_sources(module: str) -> Iterator[tuple[str, bytes]]:
    """Yield the module and what it imports, directly or not, from its own package."""
    own = _SHIPPED if module.startswith(f"{_SHIPPED}.") else module.split(".", 1)[0]
    waiting, seen = [module], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        code = _source(name)
        yield name, code
        for imported in _imports(code, name):
            if (imported == own or imported.startswith(f"{own}.")) and _is_module(imported):
                waiting.append(imported)


def _imports(code: bytes, module: str) -> Iterator[str]:
    """Dotted names that a source imports; of `from a import b` both `a` and `a.b`."""
    package = module if _is_package(module) else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _is_package(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.submodule_search_locations is not None


def _is_module(name: str) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, AttributeError, ValueError):
        return False
    return spec is not None and spec.has_location


def _source(module: str) -> bytes:
    spec = importlib.util.find_spec(module)
    origin = spec.origin if spec is not None and spec.has_location else None
    if origin is None or not origin.endswith(".py"):
        raise BadInputError(
            location=f"module {module}",
            found="no source file",
            expected="Python source: evidence names the code by its digest",
        )
    return Path(origin).read_bytes()
