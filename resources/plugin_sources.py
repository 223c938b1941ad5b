"""The sources that a plugin consists of: found, read and hashed without importing any of them.

They are the plugin's module, the modules of its own package that it imports (directly or
through each other) and the packages that these lie in; of a strategy that ships, the modules of
`torghut_assets.strategies` that it imports. The code digest covers them, the shared building
blocks and the contract itself. Third-party libraries are pinned by the lock file, not here.
"""

import ast
import importlib.util
import keyword
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

from torghut_assets.domain.digests import canonical_json, sha256_hex
from torghut_assets.domain.errors import BadInputError

SHIPPED_PACKAGE: Final = "torghut_assets.strategies"
_ALWAYS: Final = (
    "torghut_assets.domain.candidates.lanes",
    "torghut_assets.domain.candidates.strategy",
    "torghut_assets.strategies.building_blocks",
)


class PluginCode(NamedTuple):
    """What a plugin is made of.

    Attributes
    ----------
    own : str
        The package that is the plugin's own.
    sources : dict of str to bytes
        Source by dotted module name.
    packages : frozenset of str
        Which modules are packages, those without a source included.
    project_modules : frozenset of str
        Modules of this project that the sources name in an import.
    digest : str
        SHA-256 over the sources, the building blocks and the contract.
    """

    own: str
    sources: dict[str, bytes]
    packages: frozenset[str]
    project_modules: frozenset[str]
    digest: str

    def message(self) -> dict[str, Any]:
        """Return the code as a worker takes it in."""
        return {
            "own": self.own,
            "sources": {name: _decoded(name, code) for name, code in self.sources.items()},
            "packages": sorted(self.packages),
        }


@lru_cache(maxsize=64)
def plugin_code(module: str) -> PluginCode:
    """Return what the plugin in a module consists of, as it was when first asked.

    Raises
    ------
    BadInputError
        If a module has no Python source, or a source is not Python.
    """
    shipped = module.startswith(f"{SHIPPED_PACKAGE}.")
    own = SHIPPED_PACKAGE if shipped else module.split(".", 1)[0]
    sources = dict(_own_sources(module, own))
    parents = set(_parents(sources))
    if not shipped:
        sources |= {name: source(name) for name in parents if _file(name) is not None}
        sources |= dict(_own_sources(module, own, known=sources))
    named = {name for code in sources.values() for name in _imports(code, "")}
    hashed = sources | {name: source(name) for name in _ALWAYS}
    return PluginCode(
        own=own,
        sources=sources,
        packages=frozenset(name for name in parents | set(sources) if _is_package(name)),
        project_modules=frozenset(n for n in named if n.startswith("torghut_assets.")),
        digest=sha256_hex(canonical_json({n: sha256_hex(code) for n, code in hashed.items()})),
    )


def source(module: str) -> bytes:
    """Return the source of a module, or refuse what has none."""
    path = _file(module)
    if path is None or path.suffix != ".py":
        raise BadInputError(
            location=f"module {module}",
            found="no source file",
            expected="Python source: evidence names the code by its digest",
        )
    return path.read_bytes()


def _own_sources(
    module: str, own: str, known: dict[str, bytes] | None = None
) -> Iterator[tuple[str, bytes]]:
    """Yield a module and what it imports, directly or not, from its own package."""
    waiting, seen = [module, *(known or ())], set()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        code = source(name)
        yield name, code
        for imported in _imports(code, name):
            if (imported == own or imported.startswith(f"{own}.")) and _is_there(imported):
                waiting.append(imported)


def _imports(code: bytes, module: str) -> Iterator[str]:
    """Dotted names that a source imports; of `from a import b` both `a` and `a.b`."""
    package = module if module and _is_package(module) else module.rpartition(".")[0]
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadInputError(
            location=f"module {module}",
            found=f"{type(error).__name__}: {' '.join(str(error).split())[:120]}",
            expected="Python source",
        ) from error
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parents = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parents, base] if base else parents)
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def _parents(modules: Iterable[str]) -> Iterator[str]:
    """Packages that are imported before a module of theirs is."""
    for module in modules:
        parts = module.split(".")
        yield from (".".join(parts[:length]) for length in range(1, len(parts)))


def _is_package(module: str) -> bool:
    path = _file(module)
    if path is not None:
        return path.name == "__init__.py"
    return bool(_folders(module))


def _is_there(module: str) -> bool:
    return _file(module) is not None


def _file(module: str) -> Path | None:
    """Return the file of a module or of a package's `__init__`; packages are not imported."""
    parent, _, name = module.rpartition(".")
    if not _is_identifier(name):
        return None
    if not parent:
        try:
            spec = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        has_file = spec is not None and spec.has_location and spec.origin
        return Path(str(spec.origin)) if has_file and spec is not None else None
    for folder in _folders(parent):
        for path in (folder / name / "__init__.py", folder / f"{name}.py"):
            if path.is_file():
                return path
        compiled = sorted(folder.glob(f"{name}.*.so")) + sorted(folder.glob(f"{name}.so"))
        if compiled:
            return compiled[0]
    return None


def _folders(package: str) -> list[Path]:
    """Return where a package's modules lie; of one without `__init__` all its portions."""
    parent, _, name = package.rpartition(".")
    if not parent:
        try:
            spec = importlib.util.find_spec(package)
        except (ImportError, ValueError):
            return []
        return [Path(p) for p in (spec.submodule_search_locations or ())] if spec else []
    candidates = [folder / name for folder in _folders(parent)]
    regular = [folder for folder in candidates if (folder / "__init__.py").is_file()]
    return regular[:1] or [folder for folder in candidates if folder.is_dir()]


def _is_identifier(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name)


def _decoded(name: str, code: bytes) -> str:
    try:
        return code.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadInputError(
            location=f"module {name}", found="bytes that are not UTF-8", expected="UTF-8 source"
        ) from error
