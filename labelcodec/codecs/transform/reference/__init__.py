"""The transform codec's kernels in NumPy: the reference implementation of `compiled`."""

from labelcodec.codecs.transform.reference.fitting import distance_masses, mix_rows, sum_rows
from labelcodec.codecs.transform.reference.images import (
    eighths,
    mixed,
    restored,
)
from labelcodec.codecs.transform.reference.peaks import (
    choose,
    expand,
    expand_logits,
    finished,
    logits,
    ranked_classes,
)
from labelcodec.codecs.transform.reference.scores import clipped, scored
from labelcodec.codecs.transform.reference.symbols import (
    coefficient_contexts,
    gap_decode,
    value_decode,
)

__all__ = [
    "choose",
    "clipped",
    "coefficient_contexts",
    "distance_masses",
    "eighths",
    "expand",
    "expand_logits",
    "finished",
    "gap_decode",
    "logits",
    "mix_rows",
    "mixed",
    "ranked_classes",
    "restored",
    "scored",
    "sum_rows",
    "value_decode",
]
