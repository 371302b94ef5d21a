"""A codec that no row of the library names: float16 logits as they are."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from labelcodec.codecs import LABEL_VALUES, Codec, CodecEntry, Coder
from labelcodec.errors import CorruptError

ENTRY = CodecEntry("x-plain", "tests.fake_codec:Plain", "logits as they are", ("x-plain",))


@dataclass(frozen=True)
class Plain(Codec):
    """The configuration."""

    name, lossy, fit_labels = "x-plain", False, 1

    def prepare(self, labels, allow_nonfinite=False, context=None):
        return labels

    def fit(self, samples, classes, expected=None, contexts=()):
        return PlainCoder(classes)

    def from_parts(self, parts, classes):
        return PlainCoder(classes)


@dataclass(frozen=True)
class PlainCoder(Coder):
    """The codec for labels of C classes."""

    classes: int

    def encode(self, labels, context=None):
        return {LABEL_VALUES: labels.value.astype("<f2").tobytes()}

    def decode(self, streams, samples, blank, context=None):
        data = streams.get(LABEL_VALUES, b"")
        if len(data) != 2 * samples * self.classes:
            raise CorruptError(f"{len(data)} bytes of label values")
        return replace(blank, value=np.frombuffer(data, "<f2").reshape(samples, -1))
