"""What a projector file says of its encoder (SPEC, section 16.1)."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, fields
from typing import Any

import msgpack

from labelcodec.batch import MAX_CLASSES
from labelcodec.codecs.projector.format import MAX_ENCODER, MAX_PIXELS
from labelcodec.errors import CorruptError

Three = tuple[float, float, float]


@dataclass(frozen=True)
class EncoderFacts:
    """The encoder of a projector file, which the file names and does not hold.

    Attributes:
        name: the encoder as its user named it, such as 'torchvision/resnet18'. Nothing is imported
            because a file says so.
        sha256: SHA-256 (hex) of its weights.
        classes: number of classes that it is built with.
        features: name of the layer whose input is the features; '' for the encoder's output.
        height: height of its input in pixels, 1..4096.
        width: width of its input in pixels, 1..4096.
        mean: mean of its inputs, in 0..1, for red, green and blue.
        std: standard deviation of its inputs, above 0.
    """

    name: str
    sha256: str
    classes: int
    features: str
    height: int
    width: int
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)

    def to_bytes(self) -> bytes:
        """Serialize to a msgpack map."""
        values = asdict(self) | {"mean": list(self.mean), "std": list(self.std)}
        packed: bytes = msgpack.packb(values)
        return packed

    @classmethod
    def from_bytes(cls, data: bytes) -> EncoderFacts:
        """Deserialize what `to_bytes` wrote.

        Raises:
            CorruptError: anything else, or above a limit.
        """
        if len(data) > MAX_ENCODER:
            raise CorruptError(f"projector: {len(data)} bytes on the encoder")
        try:
            values = msgpack.unpackb(
                data,
                object_pairs_hook=_distinct,
                max_map_len=16,
                max_array_len=3,
                max_bin_len=0,
                max_ext_len=0,
            )
        except (ValueError, msgpack.UnpackException) as error:
            raise CorruptError(f"projector: broken facts of the encoder: {error}") from None
        if not _good(values):
            raise CorruptError("projector: facts of the encoder that cannot be right")
        kept = {key: values[key] for key in ("name", "sha256", "classes", "features")}
        size = {key: values[key] for key in ("height", "width")}
        mean, std = (tuple(map(float, values[key])) for key in ("mean", "std"))
        return cls(**kept, **size, mean=_three(mean), std=_three(std))


def _three(values: tuple[float, ...]) -> Three:
    red, green, blue = values
    return red, green, blue


def _distinct(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a map key that occurs twice")
    return dict(pairs)


def _good(values: Any) -> bool:
    """Whether a map has the keys, types and ranges of clause PJ-2."""
    if not isinstance(values, dict) or set(values) != {
        field.name for field in fields(EncoderFacts)
    }:
        return False
    texts = [values.get(key) for key in ("name", "sha256", "features")]
    limits = (("classes", MAX_CLASSES), ("height", MAX_PIXELS), ("width", MAX_PIXELS))
    return (
        all(isinstance(text, str) for text in texts)
        and re.fullmatch("[0-9a-f]{64}", values["sha256"]) is not None
        and all(type(values.get(key)) is int and 0 < values[key] <= top for key, top in limits)
        and all(_numbers(values.get(key)) for key in ("mean", "std"))
        and min(values["std"]) > 0
    )


def _numbers(values: Any) -> bool:
    """Whether a value is a list of three finite numbers that float32 can hold."""
    return (
        isinstance(values, list)
        and len(values) == 3
        and all(type(value) in (int, float) for value in values)
        and all(math.isfinite(value) and abs(value) < 1e30 for value in values)
    )
