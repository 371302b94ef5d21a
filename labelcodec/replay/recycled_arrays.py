"""Arrays whose memory is used again: fresh pages for large ones cost as much as filling them."""

from __future__ import annotations

import threading
import weakref
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

KEPT = 4  # buffers that are kept for the next arrays


class RecycledArrays:
    """Allocates float32 arrays, in the memory of earlier ones that nobody refers to any more.

    An array, and what is made of it without a copy, a view or a tensor, may be kept for any time:
    its memory is used again only after all of them are gone.
    """

    def __init__(self) -> None:
        self._free: list[NDArray[np.float32]] = []
        self._lock = threading.RLock()  # arrays may be collected while it is held

    def __reduce__(self) -> tuple[Any, ...]:
        return RecycledArrays, ()  # another process has buffers of its own

    def empty(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """An uninitialised float32 array."""
        size = int(np.prod(shape))
        buffer = self._taken(size)
        if buffer is None:
            buffer = np.empty(size, np.float32)
        owner = np.frombuffer(cast(Any, memoryview)(buffer), np.float32)  # all views refer to it
        weakref.finalize(owner, self._give_back, buffer).atexit = False
        return owner.reshape(shape)

    def _taken(self, size: int) -> NDArray[np.float32] | None:
        with self._lock:
            for position, buffer in enumerate(self._free):
                if buffer.size == size:
                    return self._free.pop(position)
        return None

    def _give_back(self, buffer: NDArray[np.float32]) -> None:
        with self._lock:
            self._free.append(buffer)
            del self._free[:-KEPT]
