"""Which twin runs: the numba kernels, or plain numpy where numba is missing or unwanted."""

from __future__ import annotations

import os
from functools import cache
from types import ModuleType


@cache
def coders() -> ModuleType:
    """The module of coders; `LABELCODEC_BACKEND=numpy` in the environment forces plain numpy."""
    if os.environ.get("LABELCODEC_BACKEND") != "numpy":
        try:
            from labelcodec.entropy import kernels

            return kernels
        except ImportError:
            pass
    from labelcodec.entropy import plain

    return plain
