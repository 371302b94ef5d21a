"""Selection of the transform codec's kernels: compiled, or the NumPy reference."""

from __future__ import annotations

from functools import partial

from labelcodec.entropy.backend import implementation

kernels = partial(implementation, "labelcodec.codecs.transform")
