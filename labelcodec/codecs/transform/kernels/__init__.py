"""The transform kernels compiled with numba; see `plain` for what each does."""

from labelcodec.codecs.transform.kernels.images import (
    eighths,
    mixed,
    pairs,
    restored,
)
from labelcodec.codecs.transform.kernels.peaks import (
    choose,
    expand,
    ranked_classes,
)
from labelcodec.codecs.transform.kernels.symbols import (
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
