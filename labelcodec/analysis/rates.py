"""Compression rates: the theoretical rate of the literature, and sizes for the actual rate."""

from __future__ import annotations

from collections.abc import Iterable

from labelcodec.header import Header

# Bytes that torch 2.13 adds to the storages of an SRe2L file, by kind of mixing: pickle, headers
# and directory of the zip. Exact for one-digit file names, otherwise at most 260 bytes too low.
_WRAPPING = {"cutmix": 2461, "mixup": 2205, None: 1953}
_ALIGNMENT = 64


def sre2l_file_bytes(samples: int, classes: int, mix: str | None) -> int:
    """Size in bytes of one batch file as saved by SRe2L's relabel code, with float16 logits.

    Args:
        samples: number of samples B.
        classes: number of classes C.
        mix: 'cutmix', 'mixup' or None (then the file has no mix index).
    """
    storages = [16 * samples, samples, 8 * samples if mix else 0, 2 * classes * samples]
    return torch_file_bytes(storages, sre2l_wrapping(mix))


def torch_file_bytes(storages: Iterable[int], wrapping: int) -> int:
    """Size of a torch.save file: the aligned sizes of the storages plus the wrapping, in bytes."""
    return sum(-(-size // _ALIGNMENT) * _ALIGNMENT for size in storages) + wrapping


def sre2l_wrapping(mix: str | None) -> int:
    """Bytes that torch adds to the storages of an SRe2L file."""
    return _WRAPPING.get(mix, _WRAPPING["cutmix"])


def raw_bytes(header: Header, samples: Iterable[int]) -> int:
    """Size of the batches as full float16 logits: in SRe2L's layout, or bare for tokens.

    Args:
        header: number of classes, and kind of mixing or of labels.
        samples: number of samples of each batch.
    """
    if header.kind == "tokens":
        return sum(2 * header.classes * int(size) for size in samples)
    return sum(sre2l_file_bytes(int(size), header.classes, header.mix) for size in samples)


def pruning_factor(header: Header, labels: int) -> float | None:
    """T over the number of kept epochs, which is labels / images.

    Returns:
        The factor, or None if T or the number of images is unknown, or there are no labels.
    """
    if header.epochs is None or not header.images or not labels:
        return None
    return header.epochs * header.images / labels


def theoretical_rate(header: Header, labels: int, kept: int | None = None) -> float:
    """The compression rate as defined in arXiv 2604.18135: logit values only, times pruning.

    A full label counts as C numbers and a top-k label as 2k (values and classes). Augmentation,
    serialization and entropy coding are not counted.

    Args:
        header: number of classes, k, epochs and images.
        labels: number of labels.
        kept: number of classes that all top-k labels keep together; None if each keeps k.
    """
    stored: float = header.classes
    if header.k is not None:
        stored = 2 * (header.k if kept is None or not labels else kept / labels)
    return header.classes / stored * (pruning_factor(header, labels) or 1.0)
