"""The encoder network of the autoencoder, as it is stored (SPEC, clause VQ-10)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.transform import matrix
from labelcodec.codecs.vq.format import MAX_ENTRIES, MAX_HIDDEN
from labelcodec.entropy import varint
from labelcodec.errors import CorruptError
from labelcodec.wording import counted

Array = NDArray[np.float32]
LEVELS = 127  # largest magnitude of a stored weight
AT_ONCE = 1 << 22  # distances to codewords held at once


@dataclass(frozen=True, eq=False)
class Layer:
    """A linear layer with weights in whole numbers.

    Attributes:
        weights: (inputs, outputs) int16.
        scale: (outputs,) float32 factor of each output's weights, finite.
        bias: (outputs,) float32, finite.
    """

    weights: NDArray[np.int16]
    scale: Array
    bias: Array

    @classmethod
    def rounded(cls, weights: Array, bias: Array) -> Layer:
        """The layer nearest to (inputs, outputs) weights."""
        scale = np.maximum(np.abs(weights).max(axis=0) / LEVELS, np.float32(1e-30))
        return cls(np.rint(weights / scale).astype(np.int16), scale, bias)

    @cached_property
    def _floats(self) -> Array:
        floats: Array = self.weights * self.scale
        return floats

    def __call__(self, inputs: Array) -> Array:
        """(B, outputs) sums of (B, inputs) float32 inputs."""
        outputs: Array = inputs @ self._floats + self.bias
        return outputs

    def to_bytes(self) -> bytes:
        """Serialize: the length of the weights, these, scales and biases."""
        floats = np.concatenate([self.scale, self.bias]).astype("<f4").tobytes()
        return varint.framed(matrix.to_bytes(self.weights)) + floats

    @classmethod
    def from_bytes(cls, data: memoryview, inputs: int, outputs: int) -> tuple[Layer, memoryview]:
        """Deserialize a layer; it and the bytes behind it.

        Raises:
            CorruptError: malformed or too few bytes, or numbers that are not finite.
        """
        length, position = varint.decode(data, 0)
        stop = position + length
        weights = matrix.from_bytes(data[position:stop], inputs, outputs, "encoder's weights")
        floats = np.frombuffer(data[stop : stop + 8 * outputs], np.uint8)
        if len(floats) != 8 * outputs:
            raise CorruptError("an encoder network that ends early")
        scale, bias = floats.view("<f4").astype(np.float32).reshape(2, outputs)
        if not (np.isfinite(scale).all() and np.isfinite(bias).all()):
            raise CorruptError("an encoder network with numbers that are not finite")
        return cls(weights, scale, bias), data[stop + 8 * outputs :]


@dataclass(frozen=True, eq=False)
class EncoderNetwork:
    """Labels to latents, in units of the codewords' entries."""

    first: Layer
    second: Layer

    def codes(self, centred: Array, codewords: NDArray[np.int16]) -> NDArray[np.int64]:
        """The codewords nearest to the latents of labels.

        Args:
            centred: (B, C) float32 labels less their own means.
            codewords: (K, d) int16.

        Returns:
            (B, n) int64 codes.
        """
        entries = codewords.astype(np.float32)
        half = (entries * entries).sum(axis=1) / 2
        hidden = np.maximum(self.first(centred), 0)
        latents = self.second(hidden).reshape(-1, entries.shape[1])
        codes = np.empty(len(latents), np.int64)
        size = max(1, AT_ONCE // len(entries))
        for start in range(0, len(latents), size):
            likeness = latents[start : start + size] @ entries.T
            likeness -= half
            codes[start : start + size] = likeness.argmax(axis=1)
        return codes.reshape(len(centred), -1)

    def to_bytes(self) -> bytes:
        """Serialize: the width of the hidden layer, and both layers."""
        width = varint.encode(len(self.first.bias))
        return width + self.first.to_bytes() + self.second.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes, classes: int, outputs: int) -> EncoderNetwork:
        """Deserialize what `to_bytes` wrote.

        Args:
            data: the part `encoder`.
            classes: C.
            outputs: n d, the entries of a latent.

        Raises:
            CorruptError: a malformed part.
        """
        hidden, position = varint.decode(data, 0)
        if not 0 < hidden <= MAX_HIDDEN or hidden * max(classes, outputs) > MAX_ENTRIES:
            raise CorruptError(f"an encoder network with {counted(hidden, 'hidden unit')}")
        first, rest = Layer.from_bytes(memoryview(data)[position:], classes, hidden)
        second, rest = Layer.from_bytes(rest, hidden, outputs)
        if len(rest):
            raise CorruptError(f"an encoder network with {counted(len(rest), 'byte')} behind it")
        return cls(first, second)
