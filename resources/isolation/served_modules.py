"""Imports a plugin's own modules from the sources that its code digest covers, and from no file.

So the code that runs is the code that was hashed, and what was not hashed cannot be imported.
"""

import importlib.machinery
import sys
from collections.abc import Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from types import CodeType, ModuleType
from typing import Any


class ServedModules(MetaPathFinder, Loader):
    """Finds and loads modules of the package `own` out of `sources`.

    Parameters
    ----------
    own : str
        Dotted name of the plugin's package; nothing below it comes from anywhere else.
    sources : mapping of str to str
        Source by dotted module name.
    packages : set of str
        Which of the names are packages, those without a source included.
    """

    def __init__(self, own: str, sources: Mapping[str, str], packages: set[str]) -> None:
        self._own = own
        self._sources = sources
        self._packages = packages

    def serve(self) -> None:
        """Take precedence over every other way to import."""
        sys.meta_path.insert(0, self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - the protocol of finders
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Find a module of the plugin; leave all others to the next finder."""
        if fullname in self._sources or fullname in self._packages:
            return importlib.machinery.ModuleSpec(
                fullname,
                self,
                origin=f"<plugin {fullname}>",
                is_package=fullname in self._packages,
            )
        if fullname == self._own or fullname.startswith(f"{self._own}."):
            raise ModuleNotFoundError(
                f"No module named {fullname!r} in the plugin's code digest", name=fullname
            )
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Run the source; a package without one stays empty."""
        name = module.__name__
        code: Any = compile(self._sources.get(name, ""), f"<plugin {name}>", "exec")
        assert isinstance(code, CodeType)
        exec(code, module.__dict__)  # noqa: S102 - this is what the worker is for
