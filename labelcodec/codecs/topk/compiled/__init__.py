"""The topk codec's kernels, compiled with numba; documented in `reference`."""

from labelcodec.codecs.topk.compiled.class_set import ranking_keys, set_decode
from labelcodec.codecs.topk.compiled.permutation import order_decode, order_intervals

__all__ = ["order_decode", "order_intervals", "ranking_keys", "set_decode"]
