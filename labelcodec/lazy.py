"""Lazy imports of a package's names, on first use (PEP 562)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def lazy_attributes(package: str, modules: Mapping[str, str], name: str) -> Any:
    """Import and return an attribute of a package; to be called from its `__getattr__`.

    Args:
        package: the package's `__name__`.
        modules: the lazy names, each with the submodule that defines it.
        name: the name to look up.

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in modules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    return getattr(import_module(f"{package}.{modules[name]}"), name)
