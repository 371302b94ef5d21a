"""Bytes of the parts of a batch, each saved by torch.save on its own (arXiv 2604.18135, Table VI).

The paper states F that way. LPQLD's files hold all parts of a batch together and are smaller.
"""

from __future__ import annotations

from collections.abc import Iterable

from labelcodec.analysis.rates import torch_file_bytes
from labelcodec.planner.peers import batch_tensors
from labelcodec.planner.setting import Setting

# Bytes that the torch of the paper adds per file, per file with tensors, and per tensor; derived
# from Table VI. Newer ones add the records .format_version and .storage_alignment, 377 bytes.
_FILE, _WITH_TENSORS, _TENSOR = 880, 170, 150


def saved_bytes(storages: Iterable[int]) -> int:
    """Size of a file in which torch.save stores one value.

    Args:
        storages: bytes of each tensor in the value; none if it is a Python number.
    """
    sizes = list(storages)
    return torch_file_bytes(sizes, _FILE + (_WITH_TENSORS if sizes else 0) + _TENSOR * len(sizes))


def serialized_parts(setting: Setting, k: int | None = None) -> dict[str, int]:
    """Bytes by component of one full batch as LPQLD stores it, each component in its own file.

    Args:
        setting: the label set.
        k: classes kept per label; None for full labels.
    """
    tensors = batch_tensors("lpqld", k, setting, min(setting.batch_size, setting.images))
    if setting.mix:
        tensors["mix ratio"] = []
    return {name: saved_bytes(sizes) for name, sizes in tensors.items()}
