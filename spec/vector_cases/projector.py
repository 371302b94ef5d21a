"""Golden files of the projector codec: tiny tables, and batches without labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelcodec import Header, LabelBatch, Labels, Writer
from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.projector.codec import Projector, ProjectorCoder
from labelcodec.codecs.projector.compact import ProjectorLabels
from labelcodec.codecs.projector.encoder_facts import EncoderFacts
from labelcodec.codecs.projector.format import FORMS
from labelcodec.codecs.projector.matrix import Matrix
from labelcodec.codecs.projector.reached import Reached
from labelcodec.codecs.projector.tables import Head, LayerUpdate, ProjectorTables
from labelcodec.container.partial_reader import StoredBatch
from labelcodec.writer import with_codec
from spec.vector_cases.content import Content

CLASSES, FEATURES = 5, 6
FACTS = EncoderFacts(
    "convnet", "0123456789abcdef" * 4, 10, "9", 16, 12, (0.5, 0.25, 0.125), (0.5, 1.0, 2.0)
)


def tables(
    precision: str, *, rank: int = 2, head: int = 0, measured: bool = True
) -> ProjectorTables:
    """Tables of two layers, or none, with random entries."""
    rng, form = np.random.default_rng(16), FORMS[precision]

    def matrix(rows: int, columns: int) -> Matrix:
        values: NDArray[np.float64] = rng.normal(size=(rows, columns))
        return Matrix.of(values, form)

    shapes = {"0": (4, 75), "stem.conv2": (6, 36)} if rank else {}
    layers = [
        LayerUpdate(name, matrix(rank, inner), matrix(rank, outputs))
        for name, (outputs, inner) in shapes.items()
    ]
    factors = (matrix(head, CLASSES), matrix(head, FEATURES)) if head else None
    bias = rng.normal(size=CLASSES).astype(np.float32)
    return ProjectorTables(
        FACTS,
        layers,
        Head(factors or (matrix(CLASSES, FEATURES),), bias),
        rng.normal(size=CLASSES).astype(np.float32),
        Reached(96, (0.5, 0.25, 0.125), (0.25, 0.125, 0.0625), 0.75) if measured else None,
    )


def write(path: Path, codec: Projector, held: ProjectorTables, recipe: AugmentationSpec) -> Content:
    """A file of two batches that the recipe draws."""
    header = Header(CLASSES, recipe=recipe, images=recipe.images, image_size=recipe.size)
    coder = BatchCoder.trained(with_codec(header, codec), ProjectorCoder(held))
    batches = []
    with Writer(path, header, codec) as writer:
        writer.adopt(coder.side_information())
        for number in (0, 3):
            index, augmentation = draw(recipe, number)
            none = np.zeros((len(index), 0), np.float32)
            compact = ProjectorLabels(held, none.astype(np.int32))
            labels = Labels(CLASSES, none, compact=compact)
            epoch = recipe.place(number)[0]
            batch = LabelBatch(number, epoch, index, augmentation, labels)
            payload = memoryview(coder.encode(batch))
            writer.add_encoded(StoredBatch(payload, len(batch), number, epoch))
            batches.append(batch)
        return Content(writer.header.to_map(), None, batches)


RECIPE = AugmentationSpec(5, 9, 4, (16, 12), (20, 20))


def int8(path: Path) -> Content:
    """Factors and head in int8 with scales, and what the encoder reached."""
    return write(path, Projector(2), tables("int8"), RECIPE)


def float16(path: Path) -> Content:
    """Factors in binary16, the head as a product of two factors."""
    codec = Projector(2, 3, "float16")
    return write(path, codec, tables("float16", head=3, measured=False), RECIPE)


def head_alone(path: Path) -> Content:
    """No layer of the encoder is updated."""
    return write(path, Projector(0), tables("int8", rank=0), RECIPE)


CASES = (int8, float16, head_alone)
