"""The transform kernels in plain numpy: the readable twins of `kernels`."""

from labelcodec.codecs.transform.plain.images import (
    eighths,
    mixed,
    pairs,
    restored,
)
from labelcodec.codecs.transform.plain.peaks import (
    choose,
    expand,
    ranked_classes,
)
from labelcodec.codecs.transform.plain.symbols import (
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
