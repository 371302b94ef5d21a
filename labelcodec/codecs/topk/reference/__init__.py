"""The topk codec's kernels in NumPy: the reference implementation of `compiled`."""

from labelcodec.codecs.topk.reference.class_set import ranking_keys, set_decode
from labelcodec.codecs.topk.reference.permutation import order_decode, order_intervals

__all__ = ["order_decode", "order_intervals", "ranking_keys", "set_decode"]
