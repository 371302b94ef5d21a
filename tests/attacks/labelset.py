"""A small valid label set, to be spoilt before it is written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import msgpack
import zstandard

from labelcodec.codecs import registry
from labelcodec.codecs.batch_coder import BatchCoder
from labelcodec.codecs.components import join, split
from labelcodec.codecs.projector.codec import ProjectorCoder
from labelcodec.codecs.transform import Transform
from labelcodec.codecs.transform.coder import TransformCoder
from labelcodec.container import RecordWriter
from labelcodec.entropy import varint
from labelcodec.errors import CorruptError, LabelcodecError
from labelcodec.header import Header
from labelcodec.writer import prepare, with_codec
from spec.vector_cases import projector as projections
from tests.codecs.content import Recipe, batch

MIB = 1 << 20
TOPK = Recipe(
    samples=8, k=4, tail="zero", cutout="grid", magnitudes=("int64", "float16"), seeds=True
)
DENSE = Recipe(samples=8)
RANK = 3  # of the transform codec's set
DENSE2_RANK = 2
VQ_CODES = 3
DRAWS, KEPT = 6, 2  # of the sampled codec's sets
LABELS = Recipe(samples=32)  # vq needs as many


@dataclass
class LabelSet:
    """A small valid set in the making; cases change it before `write`."""

    header: dict[str, Any]
    crop: dict[str, bytes]
    labels: dict[str, bytes]
    streams: dict[int, bytes]
    samples: int = 8
    payload: bytes | None = None  # instead of `streams`
    side: bytes | None = None  # instead of `crop` and `labels`
    names: bytes | None = None
    recipe: Recipe = field(default=TOPK)

    def write(self, path: Path) -> None:
        side = self.side
        if side is None:
            parts = {"crop": self.crop, "labels": self.labels}
            side = zstandard.compress(msgpack.packb(parts))
        payload = self.payload
        if payload is None:
            payload = join(self.streams)  # type: ignore[arg-type]
        with RecordWriter(path, self.header) as writer:
            writer.add_section(b"S", side)
            if self.names is not None:
                writer.add_section(b"n", self.names)
            writer.add_batch(payload, side=0, samples=self.samples, number=0, epoch=0)


def valid(recipe: Recipe = TOPK, spec: str = "topk") -> LabelSet:
    codec = registry.parse(spec)
    prepared = prepare(batch(recipe), codec, True)
    coder = BatchCoder.fit(with_codec(recipe.header(), codec), [prepared])
    data = memoryview(coder.encode(prepared))
    parts: dict[int, bytes] = {int(n): bytes(part) for n, part in split(data).items()}
    return LabelSet(
        coder.header.to_map(),
        coder.tables["crop"].to_parts(),
        coder.labels.to_parts(),
        parts,
        recipe.samples,
        recipe=recipe,
    )


def dense() -> LabelSet:
    return valid(DENSE, "dense")


def dense2() -> LabelSet:
    return valid(DENSE, f"dense2:rank={DENSE2_RANK}")


def projector() -> LabelSet:
    """Tables of the golden files, on batches that the recipe of one draws."""
    coder = BatchCoder.trained(
        Header(
            projections.CLASSES, codec="projector", config={"rank": 2}, recipe=projections.RECIPE
        ),
        ProjectorCoder(projections.tables("int8")),
    )
    return LabelSet(
        coder.header.to_map(), coder.tables["crop"].to_parts(), coder.labels.to_parts(), {}, 4
    )


def floors() -> LabelSet:
    return valid(DENSE, "topk:k=4,tail=floor")


def sampled() -> LabelSet:
    return valid(DENSE, f"sampled:n={DRAWS}")


def sampled_kept() -> LabelSet:
    return valid(DENSE, f"sampled:n={DRAWS},keep={KEPT}")


def transform() -> LabelSet:
    return valid(DENSE, f"transform:rank={RANK},step=1,peaks=2")


def vq() -> LabelSet:
    return valid(LABELS, f"vq:codes={VQ_CODES}")


@cache
def transform_coder() -> TransformCoder:
    """The coder whose tables `transform` holds."""
    return Transform(RANK, 1, 2).from_parts(transform().labels, DENSE.classes)


Case = Callable[[], LabelSet]
Cases = dict[str, tuple[Case, type[LabelcodecError], int]]


def add(
    cases: Cases, name: str, make: Case, error: type[LabelcodecError], memory: int = 16
) -> None:
    """Add a case: its error, and the MiB that reading it may take."""
    assert name not in cases
    cases[name] = make, error, memory * MIB


def changed(base: Case, change: Callable[[LabelSet], Any]) -> Case:
    """A case that changes a valid set in place."""

    def make() -> LabelSet:
        made = base()
        change(made)
        return made

    return make


def numbers(*values: int) -> bytes:
    return b"".join(map(varint.encode, values))


class AddCase(Protocol):
    """Adds a case that changes a valid set."""

    def __call__(
        self,
        name: str,
        change: Callable[[LabelSet], Any],
        error: type[LabelcodecError] = CorruptError,
        memory: int = 16,
    ) -> None: ...


def adder(cases: Cases, codec: str, base: Case) -> AddCase:
    """What adds the cases of a codec, each under the codec's name."""

    def add_case(
        name: str,
        change: Callable[[LabelSet], Any],
        error: type[LabelcodecError] = CorruptError,
        memory: int = 16,
    ) -> None:
        add(cases, f"{codec}_{name}", changed(base, change), error, memory)

    return add_case
