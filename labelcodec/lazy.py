"""Lazy imports of a package's names, on first use (PEP 562)."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from labelcodec.extras import needing_extra


def lazy_attributes(package: str, modules: Mapping[str, str], name: str) -> Any:
    """Import and return an attribute of a package; to be called from its `__getattr__`.

    Args:
        package: the package's `__name__`.
        modules: the lazy names, each with the submodule that defines it.
        name: the name to look up.

    Raises:
        AttributeError: the package has no such name.
        MissingExtraError: the submodule needs a package that is not installed.
    """
    if name not in modules:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    with needing_extra(f"{package}.{name}"):
        module = import_module(f"{package}.{modules[name]}")
    return getattr(module, name)
