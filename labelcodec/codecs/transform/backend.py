"""Which twin of the transform kernels runs, by the same rule as the entropy coder's."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from labelcodec.entropy import plain as plain_coders
from labelcodec.entropy.backend import coders


@cache
def kernels() -> ModuleType:
    """The compiled kernels, or plain numpy where the entropy coder runs on it."""
    if coders() is plain_coders:
        from labelcodec.codecs.transform import plain

        return plain
    from labelcodec.codecs.transform import compiled

    return compiled
