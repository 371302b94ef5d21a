"""Runs code with one of the two twins of every kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from labelcodec.entropy.backend import implementation

BACKENDS = ("compiled", "numpy")


@contextmanager
def backend(name: str) -> Iterator[None]:
    with patch.dict(os.environ, {"LABELCODEC_BACKEND": name}):
        implementation.cache_clear()
        try:
            yield
        finally:
            implementation.cache_clear()
