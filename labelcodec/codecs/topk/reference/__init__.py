"""The topk codec's kernels in NumPy: the reference implementation of `compiled`."""

from labelcodec.codecs.topk.reference.class_set import rank_labels, set_decode
from labelcodec.codecs.topk.reference.labels import labels_decode, labels_encode
from labelcodec.codecs.topk.reference.permutation import order_decode, order_intervals
from labelcodec.codecs.topk.reference.selection import largest
from labelcodec.codecs.topk.reference.values import bit_levels, level_bits, levels_decode

__all__ = [
    "bit_levels",
    "labels_decode",
    "labels_encode",
    "largest",
    "level_bits",
    "levels_decode",
    "order_decode",
    "order_intervals",
    "rank_labels",
    "set_decode",
]
