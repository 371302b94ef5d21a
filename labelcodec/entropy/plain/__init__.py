"""The coders in plain numpy: the readable twin of `kernels`, and the fallback without numba.

Every function here has a twin of the same name, arguments and bytes in `kernels`. Symbols are
coded in rows of `lanes`: symbol i belongs to lane i mod lanes, and each lane is one 32-bit rANS
state that takes 16-bit words from one shared sequence (SPEC, section 6.3).
"""

from labelcodec.entropy.plain.arrangements import order_decode, order_intervals
from labelcodec.entropy.plain.bits import (
    group_digits,
    pack_bits,
    pack_fixed,
    permutation_digits,
    unpack_digits,
    unpack_fixed,
    unpack_permutation,
)
from labelcodec.entropy.plain.boxes import box_decode
from labelcodec.entropy.plain.neighbours import (
    UNKNOWN,
    dense_contexts,
    dense_decode,
    dense_intervals,
)
from labelcodec.entropy.plain.rankings import (
    gap_contexts,
    ranking_keys,
    set_decode,
)
from labelcodec.entropy.plain.rans import (
    extra_decode,
    rans_decode,
    rans_encode,
    split_tokens,
    table_intervals,
)

__all__ = [
    "UNKNOWN",
    "box_decode",
    "dense_contexts",
    "dense_decode",
    "dense_intervals",
    "extra_decode",
    "gap_contexts",
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
