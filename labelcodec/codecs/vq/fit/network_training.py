"""Training of the VQAE, a vector-quantised autoencoder of labels (arXiv 2603.03808), with torch.

An encoder C -> hidden -> n widths, one codebook for all n codes, and a decoder n widths -> hidden
-> C, each with one rectified hidden layer. The loss is the KL divergence at a temperature plus the
commitment loss; gradients pass the codes straight through; the codebook follows the mean of what
is assigned to it, and codewords out of use are replaced.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from labelcodec.codecs.fit_progress import report
from labelcodec.codecs.vq.fit.parameters import Array, NetworkShape, Parameters

BATCH = 256  # labels per step
STEPS = 3000
LEARNING_RATE = 1e-3  # Adam's, at the start; it falls to zero along a cosine
COMMITMENT = 0.25  # weight of the commitment loss
DECAY = 0.99  # of the codewords' moving averages
DEAD = 0.02  # share of the mean use below which a codeword is out of use
HELD, MOST_HELD = 8, 2048  # one label in eight is held out, and at most these
CHECK = 100  # steps between two looks at the labels held out
PATIENCE = 6  # looks without progress


class Codebook(nn.Module):
    """One codebook, updated by moving averages (van den Oord et al., arXiv 1711.00937, A.1)."""

    entries: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, shape: NetworkShape, draws: torch.Generator) -> None:
        """Start from random codewords; the first batch replaces them."""
        super().__init__()
        self._draws, self._empty = draws, True
        for name, size in (
            ("entries", (shape.codewords, shape.width)),
            ("counts", (shape.codewords,)),
            ("sums", (shape.codewords, shape.width)),
        ):
            self.register_buffer(name, torch.zeros(size))

    def nearest(self, latent: Tensor) -> Tensor:
        """(N,) codes of (N, width) latents."""
        distance = self.entries.square().sum(1) - 2 * latent @ self.entries.T
        return distance.argmin(1)

    @torch.no_grad()
    def update(self, latent: Tensor, codes: Tensor) -> None:
        """Move the codewords towards the latents that they stand for.

        Args:
            latent: (N, width).
            codes: (N,).
        """
        use = torch.zeros_like(self.counts).index_add_(0, codes, torch.ones_like(latent[:, 0]))
        self.counts.lerp_(use, 1 - DECAY)
        self.sums.lerp_(torch.zeros_like(self.sums).index_add_(0, codes, latent), 1 - DECAY)
        dead = self.counts < DEAD * len(latent) / len(self.counts)
        self._replace(dead, latent)
        self.entries.copy_(self.sums / self.counts[:, None])

    @torch.no_grad()
    def fill(self, latent: Tensor) -> None:
        """Take the first codewords from the latents of the first batch."""
        if self._empty:
            self._replace(torch.ones_like(self.counts, dtype=torch.bool), latent)
            self.entries.copy_(self.sums / self.counts[:, None])
            self._empty = False

    def _replace(self, rows: Tensor, latent: Tensor) -> None:
        count = int(rows.sum())
        drawn = torch.randint(len(latent), (count,), generator=self._draws)
        weight = len(latent) / len(self.counts)
        self.counts[rows] = weight
        self.sums[rows] = latent[drawn.to(latent.device)] * weight


class Autoencoder(nn.Module):
    """The VQAE."""

    mean: Tensor

    def __init__(
        self, shape: NetworkShape, mean: Tensor, deviation: float, draws: torch.Generator
    ) -> None:
        """Start from random weights and the mean label.

        Args:
            shape: the sizes.
            mean: (C,) mean label.
            deviation: of the logits from it.
            draws: of the codewords.
        """
        super().__init__()
        latent = shape.codes * shape.width
        self.shape, self.deviation = shape, deviation
        self.encode_hidden = nn.Linear(shape.classes, shape.hidden)
        self.encode_latent = nn.Linear(shape.hidden, latent)
        self.codebook = Codebook(shape, draws)
        self.decode_hidden = nn.Linear(latent, shape.hidden)
        self.decode_label = nn.Linear(shape.hidden, shape.classes)
        self.register_buffer("mean", mean.clone())
        with torch.no_grad():
            self.decode_label.bias.zero_()

    def latent(self, labels: Tensor) -> Tensor:
        """(B n, width) latents of (B, C) labels."""
        inputs = (labels - self.mean) / self.deviation
        latent: Tensor = self.encode_latent(self.encode_hidden(inputs).relu())
        return latent.reshape(-1, self.shape.width)

    def hidden(self, latent: Tensor) -> Tensor:
        """(B, h) hidden layer of the decoder."""
        joined = latent.reshape(-1, self.shape.codes * self.shape.width)
        hidden: Tensor = self.decode_hidden(joined).relu()
        return hidden

    def logits(self, hidden: Tensor) -> Tensor:
        """(B, C) logits."""
        logits: Tensor = self.decode_label(hidden) * self.deviation + self.mean
        return logits

    def loss(self, labels: Tensor, tau: float) -> Tensor:
        """KL divergence plus commitment, of (B, C) labels; the codebook is updated."""
        latent = self.latent(labels)
        self.codebook.fill(latent.detach())
        codes = self.codebook.nearest(latent.detach())
        coded = self.codebook.entries[codes]
        self.codebook.update(latent.detach(), codes)
        commitment = functional.mse_loss(latent, coded)
        straight = latent + (coded - latent).detach()
        return divergence(labels, self.logits(self.hidden(straight)), tau) + COMMITMENT * commitment

    @torch.no_grad()
    def coded(self, labels: Tensor) -> Tensor:
        """(B, h) hidden layer of the decoder for coded (B, C) labels."""
        return self.hidden(self.codebook.entries[self.codebook.nearest(self.latent(labels))])


def divergence(labels: Tensor, logits: Tensor, tau: float) -> Tensor:
    """Mean KL divergence of (B, C) logits from labels at a temperature, in nats."""
    return functional.kl_div(
        functional.log_softmax(logits / tau, 1),
        functional.log_softmax(labels / tau, 1),
        reduction="batchmean",
        log_target=True,
    )


def train(labels: Array, shape: NetworkShape, tau: float, seed: int) -> Parameters:
    """Train a network.

    Args:
        labels: (N, C) float32 labels less their own means; some are held out, and the state with
            the lowest loss on them is taken.
        shape: the sizes.
        tau: temperature of the loss.
        seed: of the weights, the codewords and the order of the labels.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    draws = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=draws)
    count = min(len(labels) // HELD, MOST_HELD)
    source = torch.from_numpy(labels)
    held, seen = source[order[:count]].to(device), order[count:]
    mean = source.mean(0)
    deviation = float((source - mean).square().mean().sqrt())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Autoencoder(shape, mean, deviation, draws).to(device)
    optimizer = torch.optim.Adam(net.parameters(), LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    best, least, waited = net, float("inf"), 0
    for step in range(STEPS):
        rows = seen[torch.randint(len(seen), (BATCH,), generator=draws)]
        optimizer.zero_grad()
        net.loss(source[rows].to(device), tau).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if (step + 1) % CHECK and step + 1 < STEPS:
            continue
        report(step + 1, STEPS)
        with torch.no_grad():
            loss = float(divergence(held, net.logits(net.coded(held)), tau))
        waited += 1
        if loss < least:
            best, least, waited = copy.deepcopy(net), loss, 0
        if waited == PATIENCE:
            break
    return _parameters(best, held)


@torch.no_grad()
def _parameters(net: Autoencoder, labels: Tensor) -> Parameters:
    """The parameters; the standardisation of labels becomes part of the outer layers."""
    first, second = net.encode_hidden, net.encode_latent
    third, fourth = net.decode_hidden, net.decode_label
    scaled = first.weight / net.deviation
    encode = (scaled.T, first.bias - scaled @ net.mean, second.weight.T, second.bias)
    output = (fourth.weight.T * net.deviation, fourth.bias * net.deviation + net.mean)
    decode = (third.weight.T, third.bias, *output)
    activity = net.coded(labels).square().mean(0).sqrt()
    return Parameters(
        _arrays(*encode),
        _array(net.codebook.entries),
        _arrays(*decode),
        _array(activity),
    )


def _arrays(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Array, Array, Array, Array]:
    return _array(a), _array(b), _array(c), _array(d)


def _array(tensor: Tensor) -> Array:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), np.float32)
