"""By what a dump is known again when an encode is resumed, without reading all of it."""

from __future__ import annotations

import hashlib

import numpy as np

from labelcodec.dumps.info import Dump
from labelcodec.files.os_errors import naming

SAMPLED = 16  # label files whose content counts


def identity(dump: Dump) -> dict[str, str]:
    """SHA-256, as hex, of the image order and of a sample of the files (SPEC, section 4.1).

    Size and number of the files tell little: a teacher's second run makes files of equal sizes.

    Returns:
        `order_sha256`: over the image indices of all batches as 64-bit little-endian integers.
        `sample_sha256`: over the content of up to 16 label files, spread evenly over the dump.

    Raises:
        OSError: a file cannot be read.
    """
    order, sample = hashlib.sha256(), hashlib.sha256()
    for i in range(len(dump)):
        order.update(dump.image_index(i).astype("<i8").tobytes())
    for i in np.unique(np.linspace(0, len(dump) - 1, SAMPLED).astype(int)).tolist():
        with naming(dump.file(i)):
            sample.update(dump.file(i).read_bytes())
    return {"order_sha256": order.hexdigest(), "sample_sha256": sample.hexdigest()}
