"""Optional dependencies: reported by name where missing, loaded when they are first used."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        module: dotted name of the module, such as ``"gemmi"``.
        extra: the extra of equiform that installs it, such as ``"proteins"``.

    Raises:
        ImportError: the module is not installed; the message holds the pip command. A module that
            is installed but fails to import one of its own dependencies raises its own error.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != module.partition(".")[0]:
            raise
        raise ImportError(
            f'{module} is not installed; run: pip install "equiform[{extra}]"', name=module
        ) from error


def lazy_exports(package: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Have the names that a package imports for type checkers only load on first use (PEP 562).

    They stand once, as ``from package.module import Name as Name`` under ``if TYPE_CHECKING:`` in
    the package's ``__init__.py``, which is read here. So a package whose names need different
    extras stays importable without any: only the name that needs a missing one raises.

    Returns, for the ``__name__`` of a package while it is imported, its ``__getattr__`` and
    ``__dir__``, and the names, for ``__all__``.
    """
    module = sys.modules[package]
    home = {
        alias.name: statement.module or package
        for block in ast.parse(inspect.getsource(module)).body
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
        if alias.asname == alias.name
    }

    def load(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if home[name] == package:  # a subpackage
            return importlib.import_module(f"{package}.{name}")
        return getattr(importlib.import_module(home[name]), name)

    return load, lambda: sorted({*vars(module), *home}), sorted(home)
