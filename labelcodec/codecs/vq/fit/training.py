"""Training of codebooks and basis: codes are searched, then the decoder descends, in turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.fit_progress import report
from labelcodec.codecs.vq.fit.code_search import Array, CodeSearch, Decoder, softmax

ROUNDS = 6  # of search and descent
DESCENTS = 4  # passes over the labels per round
BATCH = 256  # labels per step
RATE_BASIS, RATE_CODEWORDS = 2e-4, 0.02  # learning rates; of codewords in standard deviations
KMEANS_ROUNDS = 6
HELD = 8  # one label in eight is held out
SMOOTH = 1.0  # added to the counts of codewords
PATIENCE = 3  # rounds without progress on the held labels


@dataclass(frozen=True, eq=False)
class Labelled:
    """Labels to train on.

    Attributes:
        true: (N, C) float32 source logits.
        predicted: (N, r) float32 coefficients that are known without codes.
    """

    true: Array
    predicted: Array

    def __len__(self) -> int:
        """N, the number of labels."""
        return len(self.true)

    def __getitem__(self, rows: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Labelled:
        """A selection of the labels."""
        return Labelled(self.true[rows], self.predicted[rows])


@dataclass
class Adam:
    """The Adam optimiser for one array (Kingma and Ba, arXiv 1412.6980, algorithm 1)."""

    rate: float
    moments: list[Array] = field(default_factory=list)
    steps: int = 0

    def step(self, array: Array, gradient: Array, share: float) -> None:
        """Change `array` in place, at a share 0..1 of the learning rate."""
        if not self.moments:
            self.moments = [np.zeros_like(array), np.zeros_like(array)]
        self.steps += 1
        first, second = self.moments
        first += np.float32(0.1) * (gradient - first)
        second += np.float32(0.01) * (gradient * gradient - second)
        scale = np.sqrt(second / np.float32(1 - 0.99**self.steps)) + np.float32(1e-12)
        array -= np.float32(share * self.rate / (1 - 0.9**self.steps)) * first / scale


def train(
    labels: Labelled,
    mean: Array,
    basis: Array,
    codes: int,
    codewords: int,
    price: float,
    tau: float,
) -> Decoder:
    """Train a decoder.

    Args:
        labels: the labels to fit to, in random order; the last eighth is held out.
        mean: (C,) float32 mean label.
        basis: (r, C) float32 basis to start from.
        codes: n, codes per label.
        codewords: K, codewords per codebook.
        price: nats that a bit must save.
        tau: temperature of the loss.

    Returns:
        The decoder with the lowest loss on the labels held out.
    """
    seen = len(labels) - len(labels) // HELD
    shown, held = labels[:seen], labels[seen:]
    rest = ((shown.true - mean) @ basis.T - shown.predicted).astype(np.float32)
    books, chosen = first_codebooks(rest, codes, codewords)
    decoder = Decoder(basis.copy(), books, np.zeros(books.shape[:2], np.float32), tau)
    decoder = replace(decoder, rates=_rates(chosen, codewords, price))
    spread = float(books[0].std())
    optimisers = Adam(RATE_BASIS), Adam(RATE_CODEWORDS * spread)
    best, least, waited = decoder, np.inf, 0
    held_codes = None
    for turn in range(ROUNDS):
        search = CodeSearch(decoder)
        chosen = search(shown.true, _base(shown, mean, decoder), chosen, passes=1)
        decoder = replace(decoder, rates=_rates(chosen, codewords, price))
        for descent in range(DESCENTS):
            share = 1 - (turn * DESCENTS + descent) / (ROUNDS * DESCENTS)
            _descend(decoder, shown, mean, chosen, optimisers, share)
        held_codes = CodeSearch(decoder)(
            held.true, _base(held, mean, decoder), held_codes, 2 if held_codes is None else 1
        )
        loss = loss_of(decoder, held, mean, held_codes)
        report(turn + 1, ROUNDS)
        if loss < least:
            best, least, waited = _copy(decoder), loss, 0
        else:
            waited += 1
            if waited == PATIENCE:
                break
    return best


def _copy(decoder: Decoder) -> Decoder:
    return replace(decoder, basis=decoder.basis.copy(), codewords=decoder.codewords.copy())


def _base(labels: Labelled, mean: Array, decoder: Decoder) -> Array:
    base: Array = labels.predicted @ decoder.basis + mean
    return base


def loss_of(decoder: Decoder, labels: Labelled, mean: Array, codes: NDArray[np.int64]) -> float:
    """Mean KL divergence plus the price of the codes, in nats."""
    total: Array = labels.predicted + _sums(decoder, codes)
    p = softmax(labels.true / np.float32(decoder.tau))
    coded: Array = (total @ decoder.basis + mean) / np.float32(decoder.tau)
    q = softmax(coded)
    divergence = (p * np.log((p + 1e-30) / (q + 1e-30))).sum(axis=1).mean()
    rates = decoder.rates[np.arange(codes.shape[1]), codes].sum(axis=1).mean()
    return float(divergence + rates)


def _sums(decoder: Decoder, codes: NDArray[np.int64]) -> Array:
    total: Array = np.zeros((len(codes), decoder.basis.shape[0]), np.float32)
    for position, codewords in enumerate(decoder.codewords):
        total += codewords[codes[:, position]]
    return total


def _rates(codes: NDArray[np.int64], codewords: int, price: float) -> Array:
    counts = np.stack([np.bincount(column, minlength=codewords) for column in codes.T]) + SMOOTH
    shares = counts / counts.sum(axis=1, keepdims=True)
    rates: Array = (-price * np.log2(shares)).astype(np.float32)
    return rates


def _batches(count: int, seed: int) -> Iterator[NDArray[np.int64]]:
    order = np.random.default_rng(seed).permutation(count)
    return (order[first : first + BATCH] for first in range(0, count, BATCH))


def _descend(
    decoder: Decoder,
    labels: Labelled,
    mean: Array,
    codes: NDArray[np.int64],
    optimisers: tuple[Adam, Adam],
    share: float,
) -> None:
    """One pass of gradient descent over the labels; the decoder changes in place."""
    tau = np.float32(decoder.tau)
    for rows in _batches(len(labels), optimisers[0].steps):
        total: Array = labels.predicted[rows] + _sums(decoder, codes[rows])
        coded: Array = (total @ decoder.basis + mean) / tau
        slope = softmax(coded) - softmax(labels.true[rows] / tau)
        slope /= np.float32(len(rows))
        back = slope @ decoder.basis.T
        optimisers[0].step(decoder.basis, total.T @ slope, share)
        gradient = np.zeros_like(decoder.codewords)
        for position in range(len(gradient)):
            np.add.at(gradient[position], codes[rows, position], back)
        optimisers[1].step(decoder.codewords, gradient, share)


def first_codebooks(
    coefficients: Array, codes: int, codewords: int
) -> tuple[Array, NDArray[np.int64]]:
    """Residual quantisation by k-means.

    Args:
        coefficients: (N, r) float32 coefficients.
        codes: n, codes per label.
        codewords: K, codewords per codebook.

    Returns:
        (n, K, r) codewords and the (N, n) codes of the labels.
    """
    rest, draw = coefficients.copy(), np.random.default_rng(0)
    books = np.zeros((codes, codewords, rest.shape[1]), np.float32)
    chosen = np.zeros((len(rest), codes), np.int64)
    for position, book in enumerate(books):
        book[:] = rest[draw.choice(len(rest), codewords, replace=len(rest) < codewords)]
        for _ in range(KMEANS_ROUNDS):
            nearest = (rest @ book.T - (book * book).sum(axis=1) / 2).argmax(axis=1)
            counts = np.bincount(nearest, minlength=codewords)
            sums = np.zeros_like(book)
            np.add.at(sums, nearest, rest)
            used = counts > 0
            book[used] = sums[used] / counts[used, None]
            book[~used] = rest[draw.choice(len(rest), int((~used).sum()))]
        chosen[:, position] = nearest
        rest -= book[nearest]
    return books, chosen
