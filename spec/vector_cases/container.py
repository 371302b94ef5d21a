"""Golden files of the container itself."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np

from labelcodec import Augmentation, Header, LabelBatch
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.components import join, split
from labelcodec.container import RecordWriter, Shards, merging
from labelcodec.container.layout import PREAMBLE, SIDE_INFORMATION, TRAILER, TRAILER_CHECKED
from spec.vector_cases.content import Content, dense_batch, logits, store

UNKNOWN_STREAM = 200


def small(*numbers: int) -> list[LabelBatch]:
    """Batches of 5 samples and 4 classes with these numbers, four to an epoch."""
    return [
        dense_batch(logits(n % 1000, 5, 4).astype(np.float16), number=n, epoch=n // 4)
        for n in numbers
    ]


def one_batch(path: Path) -> Content:
    """The worked example of the specification."""
    value = np.array(
        [
            [1.0, -2.0, 3.5, 0.25, -1.0],
            [0.5, 4.0, 0.5, -3.0, 2.0],
            [-1.0, 2.5, 2.5, 0.0, -4.0],
        ],
        np.float16,
    )
    flip = Augmentation(flip=np.array([True, False, True]))
    batch = dense_batch(value, number=7, epoch=1, augmentation=flip)
    return store(path, Header(5), "topk:k=2", [batch])


def empty(path: Path) -> Content:
    """No batch at all."""
    return store(path, Header(4), "dense", [])


def full_header(path: Path) -> Content:
    """Every key of the header, and one that version 1.0 does not have."""
    header = Header(
        4,
        images=100,
        image_size=(224, 224),
        fingerprint="00" * 32,
        content="0f" * 32,
        teacher={"name": "resnet18", "weights": None},
        interpolation="bilinear",
        normalisation={"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]},
        mix="cutmix",
        epochs=300,
        source={"layout": "sre2l", "bytes": 123456, "files": 2},
        extra={"colour": ["a later minor version's", 1, 2.5, True]},
    )
    return store(path, header, "dense", small(0))


def image_names(path: Path) -> Content:
    """Names of the images, not all of them in ASCII."""
    names = [f"n0{i:02d}/käse_{i}.JPEG" for i in range(9)]
    return store(path, Header(4), "dense", small(0), names=names)


def unordered_numbers(path: Path) -> Content:
    """Batches out of order, with gaps and with large numbers."""
    return store(path, Header(4), "dense", small(9, 2, 2**40, 3, 2**62 + 1))


def side_information_last(path: Path) -> Content:
    """Side information behind the batches that need it."""
    header, batches = Header(4), small(0, 1)
    coder = BatchCoder.fit(header, batches)
    with RecordWriter(path, header.to_map()) as writer:
        for batch in batches:
            add(writer, batch, coder.encode(batch))
        writer.add_section(SIDE_INFORMATION, coder.side_information())
    return Content(header.to_map(), None, batches)


def merged(path: Path) -> Content:
    """Two files merged: two pieces of side information."""
    shards, batches = [], [small(0, 3), small(1, 2)]
    for i, part in enumerate(batches):
        shards.append(path.with_suffix(f".{i}"))
        content = store(shards[-1], Header(4), "dense", part)
    with Shards(shards) as opened:
        merging.merge(opened, path)
    for shard in shards:
        shard.unlink()
    return replace(content, batches=[*batches[0], *batches[1]])


def optional_section(path: Path) -> Content:
    """Sections with lower-case tags that nobody knows."""
    header, batches = Header(4), small(0, 1)
    coder = BatchCoder.fit(header, batches)
    with RecordWriter(path, header.to_map()) as writer:
        writer.add_section(b"x", b"skip me")
        writer.add_section(SIDE_INFORMATION, coder.side_information())
        for batch in batches:
            add(writer, batch, coder.encode(batch))
            writer.add_section(b"z", b"")
    return Content(header.to_map(), None, batches)


def optional_stream(path: Path) -> Content:
    """A stream from 128 on that nobody knows."""
    header, batches = Header(4), small(0)
    coder = BatchCoder.fit(header, batches)
    with RecordWriter(path, header.to_map()) as writer:
        writer.add_section(SIDE_INFORMATION, coder.side_information())
        for batch in batches:
            streams = {int(n): bytes(d) for n, d in split(memoryview(coder.encode(batch))).items()}
            add(writer, batch, join(streams | {UNKNOWN_STREAM: b"skip me"}))  # type: ignore[arg-type]
    return Content(header.to_map(), None, batches)


def minor_version(path: Path) -> Content:
    """Minor version 7."""
    content = store(path, Header(4), "dense", small(0))
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, 10, 7)
    trailer = len(data) - TRAILER.size
    checked = data[: PREAMBLE.size] + data[trailer : trailer + TRAILER_CHECKED]
    struct.pack_into("<I", data, trailer + TRAILER_CHECKED, zlib.crc32(checked))
    path.write_bytes(data)
    return content


def add(writer: RecordWriter, batch: LabelBatch, data: bytes) -> None:
    """Write an encoded batch."""
    writer.add_batch(data, side=0, samples=len(batch), number=batch.number, epoch=batch.epoch)


CASES = (
    one_batch,
    empty,
    full_header,
    image_names,
    unordered_numbers,
    side_information_last,
    merged,
    optional_section,
    optional_stream,
    minor_version,
)
