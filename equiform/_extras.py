"""Optional dependencies: report one that is missing by name, with the command that installs it."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any


def require(module: str, *, extra: str) -> ModuleType:
    """Import an optional dependency.

    Args:
        module: dotted name of the module, such as ``"gemmi"``.
        extra: the extra of equiform that installs it, such as ``"proteins"``.

    Returns:
        The imported module.

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


def load_lazily(package: str, submodule_of: Mapping[str, str], name: str) -> Any:
    """The body of a package's ``__getattr__`` (PEP 562): load a public name on first use.

    A package whose names need different extras stays importable without any of them: only the
    name that needs a missing one raises.

    Args:
        package: ``__name__`` of the package.
        submodule_of: the submodule that defines each lazily loaded name.
        name: the attribute asked for.

    Returns:
        The attribute.

    Raises:
        AttributeError: the package has no such name.
        ImportError: the name needs an extra that is not installed.
    """
    if name not in submodule_of:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{package}.{submodule_of[name]}"), name)
