"""Product and residual quantisation: stand-ins for what a vector quantiser could reach.

Favoured on purpose: codes count as their empirical entropy, with no coder's overhead and no
tables, and there is no framing. Codebooks and bases are fp16 and shared by all labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from distortion import Coded, Data
from numpy.typing import NDArray

from labelcodec.batch import Labels

ROUNDS = 10
Floats = NDArray[np.float32]


def product(data: Data, words: int, parts: int) -> Iterator[Coded]:
    """Each of `parts` runs of neighbouring classes by a codebook of its own."""
    decoded, bits, book = _product(_centred(data), words, parts)
    yield _coded(data, "PQ", f"{words} words x {parts}", decoded, bits, book)


def rotated_product(data: Data, rank: int, words: int, parts: int) -> Iterator[Coded]:
    """Product quantisation of the labels' first principal coefficients.

    Axes are dealt to the parts in turn, so that each has strong and weak ones.
    """
    z = _centred(data)
    mean = z.mean(axis=0)
    axes = np.linalg.eigh(np.cov((z - mean).T))[1][:, ::-1][:, :rank].astype(np.float32)
    turn = np.concatenate([np.arange(part, rank, parts) for part in range(parts)])
    axes = _fp16(axes[:, turn])
    decoded, bits, book = _product((z - mean) @ axes, words, parts)
    setting = f"{rank} axes, {words} words x {parts}"
    full = decoded @ axes.T + _fp16(mean)
    side = book + 2 * (axes.size + mean.size)
    yield _coded(data, "rotated PQ", setting, full, bits, side)


def residual(data: Data, words: int, stages: tuple[int, ...]) -> Iterator[Coded]:
    """Codebooks one after another, each for what the ones before leave."""
    z = _centred(data)
    decoded, bits = np.zeros_like(z), 0.0
    for stage in range(1, max(stages) + 1):
        book, code = _codebook(z - decoded, words)
        decoded += book[code]
        bits += _entropy(code)
        if stage in stages:
            setting = f"{words} words x {stage}"
            side = 2 * stage * words * z.shape[1]
            yield _coded(data, "RQ", setting, decoded.copy(), bits, side)


def _coded(data: Data, series: str, setting: str, decoded: Floats, bits: float, side: int) -> Coded:
    parts = {"codes": bits / 8, "side information": side / len(decoded)}
    return Coded(series, setting, parts, Labels(data.truth.classes, decoded))


def _centred(data: Data) -> Floats:
    """Logits less each label's mean, which a softmax ignores."""
    z = data.truth.value.astype(np.float32)
    return z - z.mean(axis=1, keepdims=True)


def _product(z: Floats, words: int, parts: int) -> tuple[Floats, float, int]:
    """Decoded vectors, mean bits of a vector's codes, bytes of the codebooks."""
    decoded, bits = np.empty_like(z), 0.0
    for columns in np.array_split(np.arange(z.shape[1]), parts):
        book, code = _codebook(z[:, columns], words)
        decoded[:, columns] = book[code]
        bits += _entropy(code)
    return decoded, bits, 2 * words * z.shape[1]


def _codebook(points: Floats, words: int) -> tuple[Floats, NDArray[np.int64]]:
    """Lloyd's k-means from random points; the codebook, rounded to fp16, and the codes."""
    draw = np.random.default_rng(0)
    book = points[draw.choice(len(points), words, replace=False)]
    for _ in range(ROUNDS):
        code = _nearest(points, book)
        many = np.bincount(code, minlength=words)
        order = np.argsort(code, kind="stable")
        used = many > 0
        starts = (np.cumsum(many) - many)[used]
        book[used] = np.add.reduceat(points[order], starts) / many[used, None]
        lost = np.flatnonzero(~used)
        book[lost] = points[draw.choice(len(points), len(lost), replace=False)]
    book = _fp16(book)
    return book, _nearest(points, book)


def _nearest(points: Floats, book: Floats) -> NDArray[np.int64]:
    return (points @ book.T - np.square(book).sum(axis=1) / 2).argmax(axis=1)


def _entropy(code: NDArray[np.int64]) -> float:
    """Empirical entropy in bits."""
    share = np.bincount(code) / len(code)
    share = share[share > 0]
    return float(-(share * np.log2(share)).sum())


def _fp16(values: Floats) -> Floats:
    return values.astype(np.float16).astype(np.float32)
