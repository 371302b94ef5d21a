"""labelcodec: a file format and codecs for compressed soft labels.

`open` reads a label set, `Writer` makes one; both speak in `LabelBatch`. `verify`, `repair` and
`merge` look after files.
"""

from labelcodec.batch import (
    Augmentation,
    Crop,
    LabelBatch,
    Labels,
    Mix,
    RandAugment,
)
from labelcodec.container import repair
from labelcodec.errors import LabelcodecError
from labelcodec.header import Header
from labelcodec.merging import merge
from labelcodec.reader import Reader, open
from labelcodec.verification import verify
from labelcodec.version import __version__
from labelcodec.writer import Writer

__all__ = [
    "Augmentation",
    "Crop",
    "Header",
    "LabelBatch",
    "LabelcodecError",
    "Labels",
    "Mix",
    "RandAugment",
    "Reader",
    "Writer",
    "__version__",
    "merge",
    "open",
    "repair",
    "verify",
]
