"""x-dense8: all logits in 8 bits each, between the smallest and the largest of their label."""

from dataclasses import dataclass, replace

import numpy as np
import zstandard

from labelcodec.codecs import LABEL_VALUES, Codec, CodecEntry, Coder
from labelcodec.errors import CorruptError, DataError

ENTRY = CodecEntry(
    name="x-dense8",
    codec="labelcodec_example.codec:Dense8",
    summary="all logits, 8 bits each, compressed with zstd",
    examples=("x-dense8",),
)


@dataclass(frozen=True)
class Dense8(Codec):
    """Configuration; there is nothing to choose."""

    name, lossy, fit_labels = "x-dense8", True, 1

    def prepare(self, labels, allow_nonfinite=False, context=None):
        """The labels as `Dense8Coder.decode` gives them back."""
        if not np.isfinite(labels.value).all():
            raise DataError("x-dense8 needs finite logits; use the dense codec")
        return replace(labels, value=restored(*quantised(labels.value), labels.precision))

    def fit(self, samples, classes, expected=None, contexts=()):
        return Dense8Coder(classes)

    def from_parts(self, parts, classes):
        return Dense8Coder(classes)


@dataclass(frozen=True)
class Dense8Coder(Coder):
    """The codec for labels of C classes."""

    classes: int

    def encode(self, labels, context=None):
        """Ends of each label's range, then a byte per logit."""
        ends, levels = quantised(labels.value)
        packed = ends.astype("<f4").tobytes() + levels.tobytes()
        return {LABEL_VALUES: zstandard.compress(packed)}

    def decode(self, streams, samples, blank, context=None):
        """Inverse of `encode`; the size is checked before anything is allocated."""
        data, size = bytes(streams.get(LABEL_VALUES, b"")), samples * (8 + self.classes)
        try:
            if zstandard.frame_content_size(data) != size:
                raise CorruptError(f"x-dense8: not {size} bytes of label values")
            packed = zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
        except zstandard.ZstdError as error:
            raise CorruptError(f"x-dense8: {error}") from None
        ends = np.frombuffer(packed, "<f4", 2 * samples).reshape(samples, 2)
        levels = np.frombuffer(packed, np.uint8, offset=8 * samples).reshape(samples, -1)
        return replace(blank, value=restored(ends, levels, blank.precision))


def quantised(value):
    """(B, 2) float32 smallest and largest logit of each label, (B, C) uint8 levels between."""
    wide = value.astype(np.float32)
    ends = np.stack([wide.min(axis=1), wide.max(axis=1)], axis=1)
    span = np.maximum(np.ptp(wide, axis=1, keepdims=True), np.float32(1e-12))
    return ends, np.rint((wide - ends[:, :1]) / span * 255).astype(np.uint8)


def restored(ends, levels, precision):
    """Logits of `quantised`, in float16 or float32."""
    wide = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * (levels / np.float32(255))
    return wide.astype("float16" if precision == "float16" else "float32")
