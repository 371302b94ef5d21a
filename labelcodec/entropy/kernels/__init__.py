"""The coders compiled with numba; see `plain` for what each function does and means."""

from labelcodec.entropy.kernels.arrangements import order_decode, order_intervals
from labelcodec.entropy.kernels.bits import (
    group_digits,
    pack_bits,
    pack_fixed,
    permutation_digits,
    unpack_digits,
    unpack_fixed,
    unpack_permutation,
)
from labelcodec.entropy.kernels.boxes import box_decode
from labelcodec.entropy.kernels.neighbours import (
    dense_contexts,
    dense_decode,
    dense_intervals,
)
from labelcodec.entropy.kernels.rankings import (
    ranking_keys,
    set_decode,
)
from labelcodec.entropy.kernels.rans import (
    extra_decode,
    rans_decode,
    rans_encode,
    split_tokens,
    table_intervals,
)

__all__ = [
    "box_decode",
    "dense_contexts",
    "dense_decode",
    "dense_intervals",
    "extra_decode",
    "group_digits",
    "order_decode",
    "order_intervals",
    "pack_bits",
    "pack_fixed",
    "permutation_digits",
    "ranking_keys",
    "rans_decode",
    "rans_encode",
    "set_decode",
    "split_tokens",
    "table_intervals",
    "unpack_digits",
    "unpack_fixed",
    "unpack_permutation",
]
