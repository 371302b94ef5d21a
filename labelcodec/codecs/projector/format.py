"""Constants of the projector codec's format (SPEC, section 16)."""

from __future__ import annotations

FLOAT16, INT8 = 0, 1  # forms of a matrix
FORMS = {"float16": FLOAT16, "int8": INT8}

MAX_LAYERS = 4096
MAX_NAME = 512  # bytes of a layer's name
MAX_SIDE = 1 << 24  # rows or columns of a layer's weight, and features
MAX_RANK = 1024
MAX_VALUES = 1 << 25  # entries of all matrices of a file
MAX_HEAD = 1 << 26  # entries of the head's weight, classes x features
MAX_ENCODER = 4096  # bytes of the part `encoder`
MAX_PIXELS = 4096  # height or width of the encoder's input
PROBED = 16  # logits of the probe that are stored, at most
