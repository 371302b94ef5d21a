"""The transform codec's kernels, compiled with numba; documented in `reference`."""

from labelcodec.codecs.transform.compiled.images import (
    eighths,
    mixed,
    pairs,
    restored,
)
from labelcodec.codecs.transform.compiled.peaks import (
    choose,
    expand,
    ranked_classes,
)
from labelcodec.codecs.transform.compiled.symbols import (
    coefficient_contexts,
    gap_decode,
    value_decode,
)

__all__ = [
    "choose",
    "coefficient_contexts",
    "eighths",
    "expand",
    "gap_decode",
    "mixed",
    "pairs",
    "ranked_classes",
    "restored",
    "value_decode",
]
