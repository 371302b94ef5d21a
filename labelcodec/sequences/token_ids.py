"""Token ids of a batch to bytes and back (SPEC, section 18.2).

A teacher's label often ranks high the token that the text has. So ids are stored as their rank in
the label that predicts them, where the batch has such a label and that is shorter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from labelcodec.entropy import coding, packing, tables, varint
from labelcodec.errors import CorruptError
from labelcodec.sequences.data import MAX_TOKEN

RANKED = 2  # form of the stream; 0 and 1 are those of a float column
Integers = NDArray[np.int64]


def pack_tokens(
    tokens: NDArray[np.int32], predicting: Integers, kept: NDArray[np.int64] | None
) -> bytes:
    """The token id stream of a batch.

    Args:
        tokens: (B,) token ids, 0..2^31 - 1.
        predicting: (B,) sample whose label predicts each token, -1 where there is none.
        kept: (B, k) classes of the labels; None for full labels.
    """
    plain = packing.pack_floats(tokens.astype(np.uint32))
    is_predicted = predicting >= 0
    if kept is None or not is_predicted.any():
        return plain
    listed = kept[predicting[is_predicted]] == tokens[is_predicted, None]
    rank = np.where(listed.any(axis=1), listed.argmax(axis=1), kept.shape[1])
    is_ranked = is_predicted.copy()
    is_ranked[is_predicted] = listed.any(axis=1)
    context = np.zeros_like(rank)
    fitted = coding.fit_tables([coding.tokenise(rank, context)], 1)
    parts = tables.to_bytes(fitted), coding.encode_values(rank, context, fitted)
    rest = packing.pack_floats(tokens[~is_ranked].astype(np.uint32))
    ranked = bytes([RANKED]) + b"".join(map(varint.framed, parts)) + rest
    return min(plain, ranked, key=len)


def unpack_tokens(
    data: memoryview, predicting: Integers, kept: NDArray[np.int64] | None
) -> NDArray[np.int32]:
    """(B,) int32 token ids, the inverse of `pack_tokens`.

    Raises:
        CorruptError: a malformed stream.
    """
    if not data or data[0] != RANKED:
        return _checked(packing.unpack_floats(data, np.uint32, len(predicting)))
    is_predicted = predicting >= 0
    if kept is None or not is_predicted.any():
        raise CorruptError("token ids by rank in labels that have no ranks")
    table, rest = varint.unframed(data[1:], "tables of token ranks")
    part, rest = varint.unframed(rest, "token ranks")
    fitted = tables.from_bytes(bytes(table))
    if len(fitted.freqs) != 1:
        raise CorruptError("the table of token ranks has the wrong number of contexts")
    context = np.zeros(int(is_predicted.sum()), np.int64)
    rank = coding.decode_values(part, context, fitted, "token ranks")
    if rank.max() > kept.shape[1]:
        raise CorruptError(f"token rank {rank.max()} of {kept.shape[1]} classes")
    is_listed = rank < kept.shape[1]
    is_ranked = is_predicted.copy()
    is_ranked[is_predicted] = is_listed
    tokens = np.empty(len(predicting), np.int64)
    tokens[is_ranked] = kept[predicting[is_ranked], rank[is_listed]]
    tokens[~is_ranked] = packing.unpack_floats(rest, np.uint32, int((~is_ranked).sum()))
    return _checked(tokens)


def _checked(tokens: NDArray[np.int64] | NDArray[np.uint32]) -> NDArray[np.int32]:
    if tokens.max() > MAX_TOKEN:
        raise CorruptError(f"a token id above {MAX_TOKEN}")
    return tokens.astype(np.int32)
