"""Reading of a torch file: an archive, or what torch before 1.6 wrote."""

from __future__ import annotations

from typing import Any

from labelcodec.entropy.backend import implementation
from labelcodec.torch_file.legacy_file import read_legacy
from labelcodec.torch_file.values import Buffer
from labelcodec.torch_file.zip_archive import is_zip


def read_torch_file(data: Buffer, *, opaque: bool = False) -> Any:
    """Read what torch.save wrote, without running anything that it names.

    Args:
        data: the whole file, or a read-only map of it.
        opaque: whether objects of classes that labels do not need, as in checkpoints, are an
            `Opaque` without content; else a file with such objects is refused.

    Returns:
        Lists, tuples, dicts, numbers, text and bytes as they were saved. A tensor is a `Tensor`
        wherever it was stored; numpy arrays and scalars are themselves. Arrays are read-only views
        of `data`.

    Raises:
        UnsafeError: the file names something that labels do not need, or exceeds a limit.
        DumpError: it is truncated, damaged or not a torch file.
    """
    if not is_zip(data):
        return read_legacy(bytes(data), opaque)
    return implementation("labelcodec.torch_file").read_archive(data, opaque)
