"""The main job on embedded real data: two batches that SRe2L's code wrote for ImageNet-1K."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelcodec.dumps import open_dump
from labelcodec.dumps.convert import decode, encode
from labelcodec.progress import Progress
from labelcodec.reader import open as open_containers
from labelcodec.storage import Breakdown, Fidelity, breakdown, compare_sets
from labelcodec.storage.describe import describe_batch, describe_set
from labelcodec.storage.sources import open_labels

FIXTURE = Path(__file__).parents[1] / "fixtures" / "in1k-two-batches"
K = 50


@dataclass(frozen=True)
class Stage:
    """One dump that went into a container and came out again.

    Attributes:
        source: whose dump it is.
        codec: what the container stores.
        source_bytes: the dump's files.
        storage: the container's bytes.
        identical: every array of the decoded dump is the source's, bit for bit and in dtype.
    """

    source: str
    codec: str
    source_bytes: int
    storage: Breakdown
    identical: bool


@dataclass(frozen=True)
class Demo:
    """What the demo did.

    Attributes:
        inspected: what `inspect` shows of the first container and its first batch.
        stages: full labels from SRe2L's dump, and their top 50 as LPQLD dumps them.
        top_k: how far the top 50 are from the full labels.
    """

    inspected: dict[str, Any]
    stages: tuple[Stage, ...]
    top_k: Fidelity

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        stages = [
            {
                "source": stage.source,
                "codec": stage.codec,
                "identical": stage.identical,
                **stage.storage.to_json(),
                "source_bytes": stage.source_bytes,
            }
            for stage in self.stages
        ]
        return {"stages": stages, "top_k": self.top_k.to_json(), "inspected": self.inspected}


def run(progress: Progress | None = None) -> Demo:
    """Encode, inspect, decode and compare; leaves nothing behind.

    Args:
        progress: called with (steps done, steps in all).
    """
    with tempfile.TemporaryDirectory(prefix="labelcodec-demo-") as folder:
        work = Path(folder)
        full = _round_trip(FIXTURE, work / "full.slc", "SRe2L, all logits", "dense")
        _step(progress, 1)
        encode(FIXTURE, work / "top.slc", codec=f"topk:k={K}")
        decode(work / "top.slc", work / "top-dump", layout="lpqld")
        _step(progress, 2)
        source = f"LPQLD, top {K}"
        top = _round_trip(work / "top-dump", work / "top-again.slc", source, "topk", classes=1000)
        _step(progress, 3)
        with open_containers(work / "full.slc") as reader:
            inspected = {**describe_set(reader), "batch": describe_batch(reader, 0)}
            inspected["files"] = ["full.slc"]
            with open_containers(work / "top.slc") as other:
                distance = compare_sets(reader, other).fidelity
    if distance is None:
        raise RuntimeError("the top-k labels are of other samples than the full ones")
    return Demo(inspected, (full, top), distance)


def _round_trip(dump: Path, container: Path, source: str, codec: str, **more: Any) -> Stage:
    encode(dump, container, **more)
    back = container.with_suffix(".back")
    decode(container, back)
    with (
        open_labels(dump, **more) as one,
        open_labels(back, **more) as other,
        open_containers(container) as reader,
    ):
        identical = compare_sets(one, reader).identical and compare_sets(one, other).identical
        storage = breakdown(reader)
    before, after = open_dump(dump, **more).info, open_dump(back, **more).info
    return Stage(source, codec, before.bytes, storage, identical and before.types == after.types)


def _step(progress: Progress | None, done: int) -> None:
    if progress is not None:
        progress(done, 3)
