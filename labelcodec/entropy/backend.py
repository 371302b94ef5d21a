"""Selection of the kernels: compiled, or the NumPy reference where no compiler built them.

A package with inner loops has two modules (or packages) with the same functions: `reference`,
readable NumPy, and `compiled`, an extension. Both return the same results, bit for bit.
"""

from __future__ import annotations

import os
import warnings
from functools import cache
from importlib import import_module
from types import ModuleType

from labelcodec.errors import LabelcodecWarning
from labelcodec.loading import LOADING

NOT_COMPILED = (
    "the compiled kernels are missing, so labelcodec runs on NumPy: the same bytes, but 10 to 100 "
    "times slower; install it again where there is a C compiler"
)


class NotCompiledWarning(LabelcodecWarning):
    """The kernels were not compiled; everything works, slowly."""


@cache
def implementation(package: str) -> ModuleType:
    """`PACKAGE.compiled` if it was built, else `PACKAGE.reference`.

    `LABELCODEC_BACKEND=numpy` in the environment forces the reference. Without it, the first
    missing module is reported once, as a `NotCompiledWarning`.
    """
    with LOADING:
        if os.environ.get("LABELCODEC_BACKEND") != "numpy":
            try:
                return import_module(f"{package}.compiled")
            except ImportError:
                _report()
        return import_module(f"{package}.reference")


@cache
def _report() -> None:
    warnings.warn(NOT_COMPILED, NotCompiledWarning, stacklevel=3)


def coders() -> ModuleType:
    """The kernels of the entropy coders."""
    return implementation("labelcodec.entropy")
