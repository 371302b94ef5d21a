"""Tables of the projector codec: low-rank updates, head and probe (SPEC, section 16.2)."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from labelcodec.codecs.projector.encoder_facts import EncoderFacts
from labelcodec.codecs.projector.format import (
    FLOAT16,
    INT8,
    MAX_HEAD,
    MAX_LAYERS,
    MAX_NAME,
    MAX_RANK,
    MAX_SIDE,
    MAX_VALUES,
    PROBED,
)
from labelcodec.codecs.projector.matrix import Matrix
from labelcodec.codecs.projector.reached import Reached
from labelcodec.entropy import varint
from labelcodec.errors import CorruptError

PARTS = ("encoder", "factors", "head", "probe")


@dataclass(frozen=True, eq=False)
class LayerUpdate:
    """Low-rank update of one layer's weight: W + up.T @ down, W as (O, n).

    Attributes:
        name: the layer's name in the encoder.
        down: (r, n) matrix, n being the weights of one output of the layer.
        up: (r, O) matrix, O being the layer's outputs.
    """

    name: str
    down: Matrix
    up: Matrix

    def values(self) -> NDArray[np.float32]:
        """(O, n) float32 update of the weight."""
        update: NDArray[np.float32] = self.up.values().T @ self.down.values()
        return update


@dataclass(frozen=True, eq=False)
class Head:
    """Linear map from features to logits.

    Attributes:
        factors: the weight (C, d), or two factors (r, C) and (r, d) whose product over r it is.
        bias: (C,) float32.
    """

    factors: tuple[Matrix] | tuple[Matrix, Matrix]
    bias: NDArray[np.float32]

    @property
    def features(self) -> int:
        """d, the number of features."""
        return int(self.factors[-1].entries.shape[1])

    def weight(self) -> NDArray[np.float32]:
        """(C, d) float32 weight."""
        if len(self.factors) == 1:
            return self.factors[0].values()
        weight: NDArray[np.float32] = self.factors[0].values().T @ self.factors[1].values()
        return weight


@dataclass(frozen=True, eq=False)
class ProjectorTables:
    """All that a projector file holds of its labels.

    Attributes:
        encoder: facts of the encoder, which is not stored.
        layers: updates of its layers.
        head: the linear map from its features to logits.
        probe: (min(C, 16),) float32 first logits for the probe image (SPEC, 16.3).
        reached: fidelity that was measured on held-out labels; None if it was not.
    """

    encoder: EncoderFacts
    layers: Sequence[LayerUpdate]
    head: Head
    probe: NDArray[np.float32]
    reached: Reached | None = None

    def to_parts(self) -> dict[str, bytes]:
        """Named parts of the side information."""
        layers = b"".join(map(_layer_bytes, self.layers))
        factors, rank = self.head.factors, 0
        if len(factors) == 2:
            rank = len(factors[0].entries)
        sides = varint.encode(self.head.features) + varint.encode(rank)
        head = b"".join(factor.to_bytes() for factor in factors)
        reached = {} if self.reached is None else {"reached": self.reached.to_bytes()}
        return {
            "encoder": self.encoder.to_bytes(),
            "factors": _form_byte([m for each in self.layers for m in (each.down, each.up)])
            + varint.encode(len(self.layers))
            + layers,
            "head": _form_byte(factors) + sides + head + self.head.bias.astype("<f4").tobytes(),
            "probe": self.probe.astype("<f4").tobytes(),
            **reached,
        }

    @classmethod
    def from_parts(cls, parts: Mapping[str, bytes], classes: int) -> ProjectorTables:
        """Deserialize what `to_parts` wrote.

        Args:
            parts: byte strings by name, out of a file.
            classes: C.

        Raises:
            CorruptError: a part is missing or malformed, or above a limit.
        """
        if missing := [name for name in PARTS if name not in parts]:
            raise CorruptError(f"the projector tables lack {missing[0]!r}")
        encoder = EncoderFacts.from_bytes(parts["encoder"])
        layers, used = _layers(parts["factors"])
        head = _head(parts["head"], classes, MAX_VALUES - used)
        probe = _floats(memoryview(parts["probe"]), min(classes, PROBED), "probe")
        reached = Reached.from_bytes(parts["reached"]) if "reached" in parts else None
        return cls(encoder, layers, head, probe, reached)

    @cached_property
    def digest(self) -> str:
        """Digest of what labels depend on; labels with equal digests can be joined."""
        parts = self.to_parts()
        return hashlib.sha256(b"\0".join(parts[name] for name in PARTS)).hexdigest()


def _form_byte(matrices: Sequence[Matrix]) -> bytes:
    whole = any(matrix.scales is None for matrix in matrices)
    return bytes([FLOAT16 if whole else INT8])


def _layer_bytes(layer: LayerUpdate) -> bytes:
    name = layer.name.encode()
    outputs, (rank, inner) = layer.up.entries.shape[1], layer.down.entries.shape
    sides = (len(name), outputs, inner, rank)
    first, *rest = map(varint.encode, sides)
    return first + name + b"".join(rest) + layer.down.to_bytes() + layer.up.to_bytes()


def _form(data: bytes, what: str) -> tuple[int, memoryview]:
    if not data or data[0] not in (FLOAT16, INT8):
        raise CorruptError(f"projector: {what} of an unknown form")
    return data[0], memoryview(data)[1:]


def _layers(data: bytes) -> tuple[list[LayerUpdate], int]:
    """The updates, and how many entries they have."""
    form, rest = _form(data, "layers")
    count, rest = _number(rest)
    if count > MAX_LAYERS:
        raise CorruptError(f"projector: {count} layers, at most {MAX_LAYERS}")
    layers: list[LayerUpdate] = []
    used = 0
    for _ in range(count):
        name, rest = _name(rest)
        outputs, rest = _number(rest)
        inner, rest = _number(rest)
        rank, rest = _number(rest)
        sides_fit = 1 <= outputs <= MAX_SIDE and 1 <= inner <= MAX_SIDE
        if not sides_fit or not 1 <= rank <= min(MAX_RANK, outputs, inner):
            raise CorruptError(f"projector: layer of {outputs} x {inner} with rank {rank}")
        used += rank * (outputs + inner)
        if used > MAX_VALUES:
            raise CorruptError(f"projector: more than {MAX_VALUES} values")
        down, rest = Matrix.from_bytes(rest, rank, inner, form)
        up, rest = Matrix.from_bytes(rest, rank, outputs, form)
        layers.append(LayerUpdate(name, down, up))
    if len({layer.name for layer in layers}) != count or len(rest):
        raise CorruptError("projector: a layer that occurs twice, or bytes behind the layers")
    return layers, used


def _head(data: bytes, classes: int, most: int) -> Head:
    form, rest = _form(data, "head")
    features, rest = _number(rest)
    rank, rest = _number(rest)
    entries = rank * (classes + features) if rank else classes * features
    fits = 1 <= features <= MAX_SIDE and rank <= min(MAX_RANK, classes, features)
    if not fits or entries > most or classes * features > MAX_HEAD:
        raise CorruptError(f"projector: head of {classes} x {features} with rank {rank}")
    factors: tuple[Matrix] | tuple[Matrix, Matrix]
    if rank:
        out, rest = Matrix.from_bytes(rest, rank, classes, form)
        inner, rest = Matrix.from_bytes(rest, rank, features, form)
        factors = (out, inner)
    else:
        whole, rest = Matrix.from_bytes(rest, classes, features, form)
        factors = (whole,)
    return Head(factors, _floats(rest, classes, "bias"))


def _number(data: memoryview) -> tuple[int, memoryview]:
    value, position = varint.decode(data, 0)
    return value, data[position:]


def _name(data: memoryview) -> tuple[str, memoryview]:
    length, data = _number(data)
    if not 1 <= length <= min(MAX_NAME, len(data)):
        raise CorruptError(f"projector: a layer's name of {length} bytes")
    try:
        return bytes(data[:length]).decode(), data[length:]
    except UnicodeDecodeError:
        raise CorruptError("projector: a layer's name that is not UTF-8") from None


def _floats(data: memoryview, count: int, what: str) -> NDArray[np.float32]:
    if len(data) != struct.calcsize("<f") * count:
        raise CorruptError(f"projector: {len(data)} bytes of {what} for {count} numbers")
    values = np.frombuffer(data, "<f4").astype(np.float32)
    if not np.isfinite(values).all():
        raise CorruptError(f"projector: {what} that is not finite")
    return values
