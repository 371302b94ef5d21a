"""Which twin runs: compiled kernels, or plain numpy where numba is missing or unwanted."""

from __future__ import annotations

import os
from functools import cache
from importlib import import_module
from types import ModuleType


@cache
def twin(compiled: str, plain: str) -> ModuleType:
    """The first of two modules that do the same, or the second.

    `LABELCODEC_BACKEND=numpy` in the environment forces the second.
    """
    if os.environ.get("LABELCODEC_BACKEND") != "numpy":
        try:
            return import_module(compiled)
        except ImportError:
            pass
    return import_module(plain)


def coders() -> ModuleType:
    """The entropy coders."""
    return twin("labelcodec.entropy.kernels", "labelcodec.entropy.plain")
