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
    peak_bits,
    ranked_classes,
)
from labelcodec.codecs.transform.plain.symbols import (
    activity,
    coefficient_contexts,
    gap_context,
    gap_decode,
    residual_context,
    unzigzag,
    value_decode,
)

__all__ = [
    "activity",
    "choose",
    "coefficient_contexts",
    "eighths",
    "expand",
    "gap_context",
    "gap_decode",
    "mixed",
    "pairs",
    "peak_bits",
    "ranked_classes",
    "residual_context",
    "restored",
    "unzigzag",
    "value_decode",
]
