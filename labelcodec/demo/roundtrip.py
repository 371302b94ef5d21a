"""Round-trip demo on embedded real data: two batches written by SRe2L's code for ImageNet-1K."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelcodec.analysis import Breakdown, Fidelity, compare_sets
from labelcodec.analysis.breakdown import stats as breakdown
from labelcodec.analysis.description import describe_batch, describe_set
from labelcodec.analysis.open_any import open_any
from labelcodec.formats import open_dump
from labelcodec.progress import Progress
from labelcodec.reader import open as open_containers
from labelcodec.transcode.decode_container import decode
from labelcodec.transcode.encode_dump import encode

FIXTURE = Path(__file__).parents[1] / "fixtures" / "in1k-two-batches"
K = 50


@dataclass(frozen=True)
class Stage:
    """Round trip of one dump: encoded to a container and decoded again.

    Attributes:
        source: description of the dump.
        codec: codec of the container.
        source_bytes: total size of the dump's files, in bytes.
        storage: breakdown of the container's bytes.
        identical: whether every array of the decoded dump equals the source's in bits and dtype.
    """

    source: str
    codec: str
    source_bytes: int
    storage: Breakdown
    identical: bool


@dataclass(frozen=True)
class Demo:
    """Result of the demo.

    Attributes:
        inspected: output of `inspect` for the first container and its first batch.
        stages: round trips of SRe2L's full labels, and of their top 50 in LPQLD's layout.
        top_k: fidelity of the top 50 to the full labels.
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


def run(work: Path, progress: Progress | None = None) -> Demo:
    """Encode, inspect, decode and compare.

    Args:
        work: existing folder, for `dump`, `full.slc`, `top50.slc` and what they are decoded to.
        progress: called with steps done and total steps.
    """
    shutil.copytree(FIXTURE, work / "dump")
    full = _round_trip(work / "dump", work / "full.slc", "SRe2L, all logits", "dense")
    _step(progress, 1)
    encode(work / "dump", work / "top50.slc", codec=f"topk:k={K}")
    decode(work / "top50.slc", work / "top50-dump", layout="lpqld")
    _step(progress, 2)
    again = work / "top50-again.slc"
    top = _round_trip(work / "top50-dump", again, f"LPQLD, top {K}", "topk", classes=1000)
    _step(progress, 3)
    with open_containers(work / "full.slc") as reader:
        inspected = {**describe_set(reader), "batch": describe_batch(reader, 0)}
        inspected["files"] = ["full.slc"]
        with open_containers(work / "top50.slc") as top_reader:
            fidelity = compare_sets(reader, top_reader).fidelity
    if fidelity is None:
        raise RuntimeError("the top-k labels and the full labels are of different samples")
    return Demo(inspected, (full, top), fidelity)


def _round_trip(dump: Path, container: Path, source: str, codec: str, **options: Any) -> Stage:
    encode(dump, container, **options)
    decoded = container.with_suffix(".back")
    decode(container, decoded)
    with (
        open_any(dump, **options) as source_set,
        open_any(decoded, **options) as decoded_set,
        open_containers(container) as reader,
    ):
        identical = (
            compare_sets(source_set, reader).identical
            and compare_sets(source_set, decoded_set).identical
        )
        storage = breakdown(reader)
    before, after = open_dump(dump, **options).info, open_dump(decoded, **options).info
    return Stage(source, codec, before.bytes, storage, identical and before.types == after.types)


def _step(progress: Progress | None, done: int) -> None:
    if progress is not None:
        progress(done, 3)
