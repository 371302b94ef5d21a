"""Decode a container into the arrays of one npz file."""

from __future__ import annotations

import sys

import numpy as np

from . import named, read

if len(sys.argv) != 3:
    sys.exit("usage: python -m spec.reference_decoder FILE.slc OUT.npz")
np.savez_compressed(sys.argv[2], **named(*read(sys.argv[1])))
