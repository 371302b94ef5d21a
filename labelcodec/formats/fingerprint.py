"""Fingerprint of a dump, used to check that a resumed encode reads the same one."""

from __future__ import annotations

import hashlib

import numpy as np

from labelcodec.errors import DumpError
from labelcodec.files.regular import read_regular
from labelcodec.formats.interface import Dump

SAMPLED = 16  # label files whose content is hashed


def dump_fingerprint(dump: Dump) -> dict[str, str]:
    """SHA-256 digests (hex) of the image order and of sampled files (SPEC, section 4.1).

    Number and size of the files are not enough: a second run of a teacher writes files of the
    same sizes.

    Returns:
        `order_sha256`: over the image indices of all batches as 64-bit little-endian integers.
        `sample_sha256`: over the content of up to 16 label files, evenly spaced in the dump; of
            token-level labels, whose files are large, over the classes and values of up to 16
            batches.

    Raises:
        DumpError: a label file is a FIFO, socket, device or folder, or is damaged.
        OSError: a file cannot be read.
    """
    order, sample = hashlib.sha256(), hashlib.sha256()
    for i in range(len(dump)):
        order.update(dump.image_index(i).astype("<i8").tobytes())
    for i in np.unique(np.linspace(0, len(dump) - 1, SAMPLED).astype(int)).tolist():
        if dump.info.kind == "tokens":
            labels = dump.read(i).labels
            sample.update(b"" if labels.index is None else labels.index.astype("<i8").tobytes())
            sample.update(labels.value.astype("<f4").tobytes())
        else:
            sample.update(read_regular(dump.file(i), DumpError, "a label file"))
    return {"order_sha256": order.hexdigest(), "sample_sha256": sample.hexdigest()}
