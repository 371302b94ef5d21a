"""The streams of a batch, and the components that every byte of a file is accounted under."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from labelcodec import streams
from labelcodec.augmentation.parts import PARTS
from labelcodec.sequences.stream import LOSS_MASK, SEQUENCES, TOKENS
from labelcodec.streams import Stream, join

__all__ = [
    "COLOURS",
    "COMPONENTS",
    "FRAMING",
    "IMAGE_INDEX",
    "LABEL_COUNT",
    "LABEL_FLOOR",
    "LABEL_INDEX",
    "LABEL_VALUES",
    "SEEDED",
    "SIDE_INFORMATION",
    "STREAMS",
    "Stream",
    "join",
    "split",
]

# Labels in blues, what addresses and frames them in greys, augmentation in warm colours.
IMAGE_INDEX = Stream(1, "image index", "#7f7f7f")
LABEL_INDEX = Stream(9, "label index", "#5b9bd5")
LABEL_VALUES = Stream(10, "label values", "#1f4e79")
LABEL_FLOOR = Stream(11, LABEL_VALUES.component, LABEL_VALUES.colour)
LABEL_COUNT = Stream(15, LABEL_INDEX.component, LABEL_INDEX.colour)

_AUGMENTATION = [stream for part in PARTS for stream in part.streams]
SEEDED = frozenset([IMAGE_INDEX, *_AUGMENTATION])  # what an augmentation spec stands for
_LABELS = (LABEL_INDEX, LABEL_VALUES, LABEL_FLOOR, LABEL_COUNT)
_SEQUENCES = (SEQUENCES, TOKENS, LOSS_MASK)
STREAMS: Mapping[int, Stream] = {
    int(stream): stream for stream in sorted([*SEEDED, *_LABELS, *_SEQUENCES])
}

SIDE_INFORMATION = "side information"
FRAMING = "framing and index"
COLOURS: Mapping[str, str] = {
    **{stream.component: stream.colour for stream in STREAMS.values()},
    SIDE_INFORMATION: "#9dc3e6",
    FRAMING: "#bfbfbf",
}
COMPONENTS = tuple(COLOURS)

split = partial(streams.split, known=STREAMS)
