"""The sample of a label set that a codec's tables are fitted to: one policy for every writer.

Batches are taken evenly from the whole set, up to the number of labels that the codec wants and to
`FIT_BYTES`. The choice depends on the batches' lengths alone, so that a set gives the same tables
whether it is read from a dump, labelled by a teacher or added batch by batch.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from labelcodec.batch import Labels

FIT_BYTES = 192 << 20  # of labels in the sample: 9632 float16 labels of 10 450 classes


def sample_limit(label_bytes: int, most: int) -> int:
    """Number of labels that a sample may hold, 1 and more.

    Args:
        label_bytes: bytes of a label in memory.
        most: number of labels that the codec wants.
    """
    return max(min(most, FIT_BYTES // max(label_bytes, 1)), 1)


def sampled_batches(lengths: Sequence[int], label_bytes: int, most: int) -> list[int]:
    """Positions of the batches in the sample, evenly spread over all batches.

    Args:
        lengths: number of labels of each batch of the whole set.
        label_bytes: bytes of a label in memory.
        most: number of labels that the codec wants.
    """
    if not len(lengths):
        return []
    batch = max(int(lengths[0]), 1)  # batches are taken to have the length of the first
    wanted = max(min(most // batch, FIT_BYTES // max(batch * label_bytes, 1), len(lengths)), 1)
    positions: list[int] = np.unique(np.linspace(0, len(lengths) - 1, wanted).astype(int)).tolist()
    return positions


def label_bytes(labels: Labels) -> int:
    """Bytes of a label of a batch in memory."""
    index_bytes = 0 if labels.index is None else labels.index.nbytes
    return -(-(labels.value.nbytes + index_bytes) // max(len(labels), 1))
