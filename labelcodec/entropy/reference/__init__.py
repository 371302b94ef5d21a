"""The entropy coders' kernels in NumPy: the definition of `compiled`, and its fallback.

Every function has a counterpart in `compiled` with the same name, arguments and result. Symbols
are coded in rows of `lanes`: symbol i belongs to lane i mod lanes. Each lane is one 32-bit rANS
state; all lanes take 16-bit words from one shared sequence (SPEC, section 6.3).
"""

from labelcodec.entropy.reference.bits import (
    pack_bits,
    pack_fixed,
    pack_permutation,
    shuffled,
    unpack_column,
    unpack_digits,
    unpack_fixed,
    unpack_permutation,
)
from labelcodec.entropy.reference.rans import (
    encode_values,
    extra_decode,
    rans_decode,
    rans_encode,
    split_tokens,
)

__all__ = [
    "encode_values",
    "extra_decode",
    "pack_bits",
    "pack_fixed",
    "pack_permutation",
    "rans_decode",
    "rans_encode",
    "shuffled",
    "split_tokens",
    "unpack_column",
    "unpack_digits",
    "unpack_fixed",
    "unpack_permutation",
]
