"""Teach a small GPT from the stored labels of a larger one.

    python examples/tokens/tiny_gpt.py --codec sampled:n=50

The text is Python's own manual, which every installation holds. The larger model learns it, its
logits are stored at a few bytes per token, and the small model learns from them. Takes some ten
minutes on two cores; with `--steps 20` a few seconds.
"""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

import labelcodec
from labelcodec import Augmentation, Header, LabelBatch, Labels, Sequences, losses
from labelcodec.replay import BatchOrder, SoftLabels, TokenBatch, TokenDataset
from labelcodec.sequences import token_digest

VOCABULARY = 4096
LENGTH = 128  # tokens of a sequence
ROWS = 16  # sequences of a batch
PIECE = re.compile(r" ?\w+|\s+|[^\w\s]")


class GPT(nn.Module):
    """A decoder-only transformer; `forward` gives what its `head` takes.

    Args:
        width: channels, a multiple of 32.
        depth: number of layers.
    """

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(VOCABULARY, width)
        self.places = nn.Embedding(LENGTH, width)
        layer = nn.TransformerEncoderLayer(
            width, width // 32, 4 * width, 0.1, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(
            layer, depth, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.head = nn.Linear(width, VOCABULARY, bias=False)
        nn.init.normal_(self.tokens.weight, std=0.02)
        self.head.weight = self.tokens.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """(S, L, width) features of (S, L) tokens, each from those up to it."""
        length = tokens.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length, device=tokens.device)
        places = torch.arange(length, device=tokens.device)
        features: torch.Tensor = self.layers(
            self.tokens(tokens) + self.places(places), mask, is_causal=True
        )
        return features


def manual() -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """(S, 128) token ids of the manual to learn from, and of the tenth that is held out.

    The most frequent words and signs are tokens, what is rare is spelt in bytes.
    """
    pieces = [PIECE.findall(topics[name]) for name in sorted(topics)]
    counts = Counter(chain.from_iterable(pieces))
    frequent = [piece for piece, _ in counts.most_common(VOCABULARY - 256)]
    number = {piece: 256 + i for i, piece in enumerate(frequent)}
    ids: list[int] = []
    for piece in chain.from_iterable(pieces):
        ids.extend([number[piece]] if piece in number else piece.encode())
    rows = np.array(ids[: len(ids) // LENGTH * LENGTH], np.int32).reshape(-1, LENGTH)
    is_held_out = np.arange(len(rows)) % 10 == 9
    return rows[~is_held_out], rows[is_held_out]


def learn_text(model: GPT, text: NDArray[np.int32], steps: int, seed: int) -> None:
    """Train on the text alone."""
    rng = np.random.default_rng(seed)

    def loss(_: int) -> torch.Tensor:
        rows = torch.from_numpy(text[rng.integers(len(text), size=ROWS)]).long()
        logits = model.head(model(rows[:, :-1]))
        return F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())

    descend(model, loss, steps)


def learn_labels(model: GPT, path: Path, steps: int, seed: int) -> None:
    """Train on stored labels, which hold the token ids, too."""
    dataset = TokenDataset(path)
    order = BatchOrder(len(dataset), seed=seed)

    def batches() -> Iterator[TokenBatch]:
        for epoch in range(steps):
            order.set_epoch(epoch)
            yield from order.counted(DataLoader(dataset, batch_size=None, sampler=order))

    coming = batches()

    def divergence(logits: torch.Tensor, labels: SoftLabels) -> torch.Tensor:
        return losses.kl(logits, labels, temperature=1.0)

    def loss(_: int) -> torch.Tensor:
        batch: TokenBatch = next(coming)
        features = model(batch.tokens).flatten(0, 1)[batch.predictor]
        return losses.in_chunks(divergence, features, model.head, batch.labels)

    descend(model, loss, steps)


def descend(model: GPT, loss_at: Callable[[int], torch.Tensor], steps: int) -> None:
    """AdamW with warm-up and a cosine schedule."""
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3, (0.9, 0.95), weight_decay=0.1)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min((step + 1) / 50, 0.5 * (1 + math.cos(math.pi * step / steps)) + 0.02),
    )
    for step in range(steps):
        optimiser.zero_grad(set_to_none=True)
        loss_at(step).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()


@torch.no_grad()
def store_labels(teacher: GPT, text: NDArray[np.int32], path: Path, codec: str) -> None:
    """Store the teacher's logits of each next token of the text."""
    teacher.eval()
    header = Header(VOCABULARY, kind="tokens", shift=1, tokenizer={"size": VOCABULARY})
    with labelcodec.Writer(path, header, codec) as writer:
        for number, first in enumerate(range(0, len(text), ROWS)):
            rows = text[first : first + ROWS]
            logits = teacher.head(teacher(torch.from_numpy(rows).long()[:, :-1])).flatten(0, 1)
            length = np.full(len(rows), LENGTH - 1)
            sequences = Sequences(
                length,
                start=np.zeros_like(length),
                digest=np.stack([token_digest(row) for row in rows]),
                tokens=rows[:, :-1].ravel(),
            )
            row = np.repeat(first + np.arange(len(rows)), length)
            labels = Labels(VOCABULARY, logits.numpy().astype(np.float16))
            writer.add(LabelBatch(number, 0, row, Augmentation(), labels, sequences))


@dataclass(frozen=True)
class Quality:
    """How well a model predicts a text.

    Attributes:
        loss: mean cross-entropy of the next token, in nats.
        ece: expected calibration error of the most probable token, in 15 bins, 0..1.
    """

    loss: float
    ece: float

    @property
    def perplexity(self) -> float:
        """exp(loss)."""
        return math.exp(self.loss)


@torch.no_grad()
def quality(model: GPT, text: NDArray[np.int32]) -> Quality:
    """Loss and calibration on a text."""
    model.eval()
    loss, confidence, is_right = [], [], []
    for first in range(0, len(text), ROWS):
        rows = torch.from_numpy(text[first : first + ROWS]).long()
        logits = model.head(model(rows[:, :-1])).flatten(0, 1)
        own = rows[:, 1:].flatten()
        loss.append(F.cross_entropy(logits, own, reduction="none"))
        most, best = logits.softmax(1).max(1)
        confidence.append(most)
        is_right.append((best == own).float())
    likely, right = torch.cat(confidence), torch.cat(is_right)
    bins = (likely * 15).long().clamp_max(14)
    gaps = torch.zeros(15).index_add_(0, bins, right - likely)
    return Quality(float(torch.cat(loss).mean()), float(gaps.abs().sum() / len(right)))


def main() -> None:
    """Teacher, labels, student."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--codec", default="sampled:n=50")
    parser.add_argument("--labels", type=Path, default=Path("manual.slc"))
    parser.add_argument("--steps", type=int, default=600)
    args = parser.parse_args()
    learned, held_out = manual()
    torch.manual_seed(0)
    teacher = GPT(192, 4)
    learn_text(teacher, learned, args.steps, 0)
    print(f"teacher: perplexity {quality(teacher, held_out).perplexity:.1f}")
    store_labels(teacher, learned, args.labels, args.codec)
    stats = labelcodec.stats(args.labels)
    print(f"labels: {stats.bytes_per_label:.1f} bytes per token, {args.labels}")
    student = GPT(96, 2)
    learn_labels(student, args.labels, args.steps, 0)
    own = quality(student, held_out)
    print(f"student: perplexity {own.perplexity:.1f}, calibration error {100 * own.ece:.1f} %")


if __name__ == "__main__":
    main()
