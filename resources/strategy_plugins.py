"""Strategy plugins: found by entry point, named by type and version, pinned by code digest.

A plugin is an entry point of the group `torghut_assets.strategies`. Its name is the strategy
type; a further major version of the same type takes a suffix (`mean-reversion.2`). What its
code digest covers: `plugin_sources`.

The modules in `SHIPPED` are part of this package and run in this process. Every other plugin is
foreign: its code is never imported here, but runs confined in a process of its own
(`isolation`, docs/adr/0014-foreign-strategies-run-confined.md), or not at all.
"""

import importlib
import importlib.metadata
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from torghut_assets.domain.candidates.examinee import ReportedError
from torghut_assets.domain.candidates.strategy import LoadedStrategy, Strategy
from torghut_assets.domain.errors import BadInputError
from torghut_assets.resources.plugin_sources import SHIPPED_PACKAGE, PluginCode, plugin_code

if TYPE_CHECKING:
    from torghut_assets.resources.isolation.remote_strategy import RemoteStrategy

GROUP: Final = "torghut_assets.strategies"
SHIPPED: Final = frozenset(
    f"{SHIPPED_PACKAGE}.{name}"
    for name in (
        "calendar_pattern_v1",
        "mean_reversion_v1",
        "moving_average_trend_v1",
        "time_series_momentum_v1",
    )
)
"""Reviewed with this package, and covered by its own code digest."""

_FOREIGN: "dict[tuple[int, StrategyEntry, str], RemoteStrategy]" = {}
"""Plugins at work in their processes, by this process, entry and code."""


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
        strategy=plugin, code_digest=plugin_code(entry.module).digest, module=entry.module
    )


def load_isolated(entry: StrategyEntry) -> Strategy:
    """Return a plugin that runs confined in a process of its own, whichever it is.

    Raises
    ------
    BadInputError
        If it cannot be loaded, is no strategy, or this system cannot confine it.
    """
    from torghut_assets.resources.isolation.state import require_linux

    require_linux()
    from torghut_assets.resources.isolation.process import WorkerProcess
    from torghut_assets.resources.isolation.remote_strategy import load

    where = _words(entry)
    code = plugin_code(entry.module)
    kept = (os.getpid(), entry, code.digest)
    if kept in _FOREIGN and not _FOREIGN[kept].worker.stopped:
        return _FOREIGN[kept]
    worker = WorkerProcess(uses=_project_modules(code))
    try:
        found = load(worker, entry.module, entry.attribute, entry.type, code.message())
    except ReportedError as error:
        worker.stop()
        raise _cannot_be_imported(where, error.found) from error
    if isinstance(found, str):
        worker.stop()
        raise BadInputError(location=where, found=found, expected="a strategy plugin")
    _FOREIGN[kept] = found
    return found


def _imported(entry: StrategyEntry) -> Strategy:
    """Load one plugin; every way in which that can fail is one refusal that names it."""
    try:
        plugin_code(entry.module)  # now, so that the digest is of the code that is imported
    except BadInputError as error:
        raise _cannot_be_imported(_words(entry), f"{error.location}, {error.found}") from error
    if entry.module not in SHIPPED:
        return load_isolated(entry)
    from torghut_assets.resources.isolation.plugin_host import contract_problem

    found: Any = getattr(importlib.import_module(entry.module), entry.attribute, None)
    if problem := contract_problem(found, entry.type):
        raise BadInputError(location=_words(entry), found=problem, expected="a strategy plugin")
    strategy: Strategy = found
    return strategy


def _project_modules(code: PluginCode) -> frozenset[str]:
    """Compiled building blocks among what a plugin imports, with their kernels."""
    return code.project_modules | {f"{name}_kernel" for name in code.project_modules}


def _words(entry: StrategyEntry) -> str:
    return f"strategy {entry.type} ({entry.module} of {entry.distribution})"


def _cannot_be_imported(where: str, found: str) -> BadInputError:
    return BadInputError(
        location=where,
        found=found,
        expected="a module that can be imported",
        action="Repair or uninstall the plugin.",
    )
