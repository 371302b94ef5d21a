"""The two compression rates: what the literature counts, and what lies on the disk."""

from __future__ import annotations

from collections.abc import Iterable

from labelcodec.header import Header

# What torch 2.13 adds to one SRe2L file besides its storages: the pickle, the zip's headers and
# its directory, by the kind of mixing. Exact for one-digit file names, else at most 260 bytes low.
_WRAPPING = {"cutmix": 2461, "mixup": 2205, None: 1953}
_ALIGNMENT = 64


def sre2l_file_bytes(samples: int, classes: int, mix: str | None) -> int:
    """Bytes of one batch as SRe2L's relabel code saves it, logits in float16.

    Args:
        samples: B.
        classes: C.
        mix: 'cutmix', 'mixup' or None; without mixing the file has no mix index.
    """
    storages = [16 * samples, samples, 8 * samples if mix else 0, 2 * classes * samples]
    return torch_file_bytes(storages, sre2l_wrapping(mix))


def torch_file_bytes(storages: Iterable[int], wrapping: int) -> int:
    """Bytes of a file of torch.save: storages of so many bytes, aligned, and their wrapping."""
    return sum(-(-size // _ALIGNMENT) * _ALIGNMENT for size in storages) + wrapping


def sre2l_wrapping(mix: str | None) -> int:
    """What torch adds to the storages of one of SRe2L's files."""
    return _WRAPPING.get(mix, _WRAPPING["cutmix"])


def raw_bytes(header: Header, samples: Iterable[int]) -> int:
    """Bytes of the same batches as full float16 logits in SRe2L's layout, one file a batch."""
    return sum(sre2l_file_bytes(int(size), header.classes, header.mix) for size in samples)


def pruning_factor(header: Header, labels: int) -> float | None:
    """T over the kept epochs, where the kept epochs are labels / images.

    Returns:
        None when T or the number of images is not known, or there is no label.
    """
    if header.epochs is None or not header.images or not labels:
        return None
    return header.epochs * header.images / labels


def theoretical_rate(header: Header, labels: int) -> float:
    """The rate as arXiv 2604.18135 counts it: logit values only, then pruning.

    A full label is C numbers and a top-k label 2k (values and classes); every number counts the
    same. Augmentations, serialisation and entropy coding do not enter.
    """
    stored = header.classes if header.k is None else 2 * header.k
    return header.classes / stored * (pruning_factor(header, labels) or 1.0)
