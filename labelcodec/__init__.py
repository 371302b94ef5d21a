"""labelcodec: a file format and codecs for compressed soft labels.

Dataset distillation and distillation from stored logits keep a teacher's output, a soft label, for
every sample under every augmentation. labelcodec stores such labels in containers (`.slc`).

Read a label set; each batch holds image indices, the recorded augmentation and the labels:

    with labelcodec.open("labels.slc") as reader:
        logits = reader[0].labels.dense()           # float32 (B, C)

Write one, batch by batch:

    with labelcodec.Writer("new.slc", Header(classes=1000), "topk:k=50") as writer:
        writer.add(batch)

Convert a directory of labels in another tool's format (a dump) and back, or change the codec:

    labelcodec.encode("dump", "labels.slc", codec="transform:bytes=30")
    labelcodec.decode("labels.slc", "copy")
    labelcodec.recode("labels.slc", "small.slc", "topk:k=50")

Inspect and maintain files:

    labelcodec.stats("labels.slc").components       # bytes by component
    labelcodec.compare("dump", "labels.slc")        # identical, or with what fidelity
    labelcodec.verify("labels.slc").problems        # () if the file is intact
    labelcodec.repair("damaged.slc")
    labelcodec.merge(["a.slc", "b.slc"], "all.slc")
    labelcodec.annotate("labels.slc", image_size=224, license="CC-BY-4.0")

Errors about files, data and settings are `LabelcodecError`s; a container that is not there is a
`FileNotFoundError`, a batch that is not there an `IndexError`. Replay of labels in
training is in `labelcodec.replay`; relabelling, training and evaluation are in
`labelcodec.pipeline`. These two need torch (`pip install 'labelcodec[torch]'`); reading, writing
and converting label sets do not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelcodec.errors import (
    ConfigError,
    CorruptError,
    DataError,
    DumpError,
    FormatError,
    LabelcodecError,
    MismatchError,
    MissingExtraError,
    UnsafeError,
    UnsupportedError,
    VersionError,
)
from labelcodec.lazy import lazy_attributes
from labelcodec.version import __version__

if TYPE_CHECKING:
    from labelcodec.analysis.breakdown import stats
    from labelcodec.analysis.open_any import compare
    from labelcodec.annotation import annotate
    from labelcodec.augmentation.crop import Crop
    from labelcodec.augmentation.mix import Mix
    from labelcodec.augmentation.parts import Augmentation
    from labelcodec.augmentation.randaugment import RandAugment
    from labelcodec.batch import LabelBatch, Labels
    from labelcodec.container import repair
    from labelcodec.header import Header
    from labelcodec.merging import merge
    from labelcodec.reader import Reader
    from labelcodec.reader import open as open
    from labelcodec.sequences import Sequences
    from labelcodec.transcode import decode, encode, recode
    from labelcodec.verification import verify
    from labelcodec.writer import Writer

# Imported on first use: many programs need only one of them.
_MODULES = {
    "annotate": "annotation",
    "Augmentation": "augmentation.parts",
    "compare": "analysis.open_any",
    "Crop": "augmentation.crop",
    "decode": "transcode",
    "encode": "transcode",
    "Header": "header",
    "LabelBatch": "batch",
    "Labels": "batch",
    "merge": "merging",
    "Mix": "augmentation.mix",
    "open": "reader",
    "RandAugment": "augmentation.randaugment",
    "Reader": "reader",
    "Sequences": "sequences",
    "recode": "transcode",
    "repair": "container",
    "stats": "analysis.breakdown",
    "verify": "verification",
    "Writer": "writer",
}

# `open` is omitted, so that a star import does not shadow the builtin.
__all__ = [
    "Augmentation",
    "ConfigError",
    "CorruptError",
    "Crop",
    "DataError",
    "DumpError",
    "FormatError",
    "Header",
    "LabelBatch",
    "LabelcodecError",
    "Labels",
    "MismatchError",
    "MissingExtraError",
    "Mix",
    "RandAugment",
    "Reader",
    "Sequences",
    "UnsafeError",
    "UnsupportedError",
    "VersionError",
    "Writer",
    "__version__",
    "annotate",
    "compare",
    "decode",
    "encode",
    "merge",
    "recode",
    "repair",
    "stats",
    "verify",
]


def __getattr__(name: str) -> Any:
    return lazy_attributes(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
