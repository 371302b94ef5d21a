"""Selection of the kernels: compiled, or the NumPy reference if numba is missing.

A package with inner loops has two modules (or packages) with the same functions: `reference`,
readable NumPy, and `compiled`. Both return the same results, bit for bit.
"""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def implementation(package: str) -> ModuleType:
    """`PACKAGE.compiled` if it can be imported, else `PACKAGE.reference`.

    `LABELCODEC_BACKEND=numpy` in the environment forces the reference.
    """
    if os.environ.get("LABELCODEC_BACKEND") != "numpy":
        try:
            return import_module(f"{package}.compiled")
        except ImportError:
            pass
    return import_module(f"{package}.reference")


def coders() -> ModuleType:
    """The kernels of the entropy coders."""
    return implementation("labelcodec.entropy")
