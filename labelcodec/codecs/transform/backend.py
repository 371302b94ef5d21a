"""Which twin of the transform kernels runs."""

from __future__ import annotations

from types import ModuleType

from labelcodec.entropy.backend import twin


def kernels() -> ModuleType:
    """The kernels, by the same rule as the entropy coders."""
    return twin("labelcodec.codecs.transform.kernels", "labelcodec.codecs.transform.plain")
