"""Codecs (labels to bytes and back, a folder or file each), the batch around them, the registry.

A codec of another package imports what it needs from here; see examples/plugin.
"""

from labelcodec.codecs.components import LABEL_FLOOR, LABEL_INDEX, LABEL_VALUES
from labelcodec.codecs.interface import Codec, Coder
from labelcodec.codecs.registry import CODECS, CodecEntry

__all__ = [
    "CODECS",
    "LABEL_FLOOR",
    "LABEL_INDEX",
    "LABEL_VALUES",
    "Codec",
    "CodecEntry",
    "Coder",
]
