"""Safe loading of files written by torch.save: only tensors, numpy arrays and plain values.

This is the only module that opens a pickle.
"""

from __future__ import annotations

import re
import threading
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from labelcodec.errors import DumpError, UnsafeError

_DTYPES = ("?", "i1", "i2", "i4", "i8", "u1", "f2", "f4", "f8")
_REFUSED = re.compile(r"GLOBAL ([\w.]+)|got <class '([\w.]+)'>")
# torch's list of allowed globals is process-wide state.
_lock = threading.Lock()


def load(path: Path) -> Any:
    """Load a file written by torch.save without running any code that it names.

    Raises:
        UnsafeError: the file names a global outside the allow-list.
        DumpError: the file is missing, truncated, damaged or not a torch file.
        OSError: it cannot be opened.
    """
    import torch
    from torch import serialization

    try:
        file = path.open("rb")
    except FileNotFoundError as error:
        raise DumpError(f"{path}: the file is missing") from error
    with _lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        previous = serialization.get_safe_globals()  # torch's own and the calling program's
        serialization.clear_safe_globals()
        serialization.add_safe_globals(_allowed())
        try:
            with file:
                return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # a hostile pickle can make torch raise almost anything
            raise _explained(path, error) from error
        finally:
            serialization.clear_safe_globals()
            serialization.add_safe_globals(previous)


@lru_cache(maxsize=1)
def _allowed() -> list[Any]:
    """Numpy's array and scalar constructors, under their names in numpy 1 and 2."""
    from numpy._core import multiarray

    functions: list[Any] = []
    for name in ("scalar", "_reconstruct"):
        function = getattr(multiarray, name)
        functions += [(function, f"numpy.{core}.multiarray.{name}") for core in ("core", "_core")]
    dtypes = {type(np.dtype(name)) for name in _DTYPES}
    return [*functions, np.ndarray, np.dtype, *dtypes]


def _explained(path: Path, error: Exception) -> DumpError:
    refused = _REFUSED.search(str(error))
    if refused:
        name = refused.group(1) or refused.group(2)
        return UnsafeError(f"{path}: refused, its pickle names {name}, which labels do not need")
    return DumpError(f"{path}: truncated, damaged or not a file that torch.save wrote")
