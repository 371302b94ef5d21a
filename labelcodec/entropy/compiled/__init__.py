"""The entropy coders' kernels, compiled with numba; documented in `reference`."""

from labelcodec.entropy.compiled.bits import (
    group_digits,
    pack_bits,
    pack_fixed,
    permutation_digits,
    unpack_digits,
    unpack_fixed,
    unpack_permutation,
)
from labelcodec.entropy.compiled.rans import (
    extra_decode,
    rans_decode,
    rans_encode,
    split_tokens,
    table_intervals,
)

__all__ = [
    "extra_decode",
    "group_digits",
    "pack_bits",
    "pack_fixed",
    "permutation_digits",
    "rans_decode",
    "rans_encode",
    "split_tokens",
    "table_intervals",
    "unpack_digits",
    "unpack_fixed",
    "unpack_permutation",
]
