"""Images a second into training, beside a rebuild of the peers' loader, in one run.

python benchmarks/loader.py             # writes results/loader.json and docs/benchmarks.md
python benchmarks/loader.py --rounds 3  # fewer timing rounds
"""

from __future__ import annotations

import io
import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from common import machine, markdown, paired, ratio, require_data, save, write_report
from peer_loader import PeerDataset, peer_loader
from torch.utils.data import DataLoader

from labelcodec.codecs import registry
from labelcodec.formats import open_dump, write_dump
from labelcodec.images import list_images
from labelcodec.images.decoding import decode
from labelcodec.images.fast_jpeg import fast_levels
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.transcode.encode_dump import encode
from labelcodec.writer import prepare

EPOCHS = 2  # of the recorded ten, a round
NORMALISATION = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
SETTINGS: dict[str, dict[str, Any]] = {
    "labelcodec, files": {},
    "labelcodec, cache": {"cache": True},
    "labelcodec, cache and uint8": {"cache": True, "uint8": True},
}


def prepared(work: Path) -> tuple[Path, Path]:
    """The top-50 labels in LPQLD's layout, and in a container."""
    dump = open_dump(require_data("in1k-sre2l"))
    codec = registry.parse("topk:k=50")
    batches = (prepare(dump.read(i), codec, False) for i in range(EPOCHS * 8))
    write_dump(batches, work / "lpqld", "lpqld", {})
    encode(work / "lpqld", work / "labels.slc", images=require_data("in1k-images"), classes=1000)
    return work / "lpqld", work / "labels.slc"


def dataset(labels: Path, images: Path, work: Path, setting: dict[str, Any]) -> ReplayDataset:
    """A data set of ours in one of the settings."""
    given = dict(setting)
    if given.pop("cache", False):
        given["cache"] = work / "images.cache"
    return ReplayDataset(
        labels, images, image_size=(224, 224), normalisation=NORMALISATION, **given
    )


def ours(data: ReplayDataset, workers: int) -> DataLoader[Any]:
    """A stock loader over all recorded batches in order."""
    order = BatchOrder(len(data), order="recorded")
    return DataLoader(data, batch_size=None, sampler=order, num_workers=workers)


def drained(loader: Iterable[Any]) -> Callable[[], None]:
    """A job that goes once through a loader."""

    def run() -> None:
        for _ in loader:
            pass

    return run


def throughput(dump: Path, labels: Path, images: Path, work: Path, rounds: int) -> dict[str, Any]:
    """Images a second with 0 and 2 workers, and against the peers' loader."""
    result: dict[str, Any] = {}
    count = sum(open_dump(dump, classes=1000).read(i).labels.value.shape[0] for i in range(8))
    total = count * EPOCHS
    for workers in (0, 2):
        jobs = {"peers": drained(peer_loader(PeerDataset(dump, images, NORMALISATION), workers))}
        for name, setting in SETTINGS.items():
            jobs[name] = drained(ours(dataset(labels, images, work, setting), workers))
        times = paired(jobs, rounds)
        result[f"{workers} workers"] = {
            name: {
                "images_per_second": total / min(times[name]),
                "times_peers": ratio(times, name, "peers"),
            }
            for name in jobs
        }
    return result


def decoders(images: Path, rounds: int) -> dict[str, Any]:
    """simplejpeg beside Pillow on every file: files whose pixels differ, and microseconds each."""
    files = [(images / path).read_bytes() for path in list_images(images).paths]

    def by_pillow(content: bytes) -> np.ndarray:
        return np.asarray(decode(io.BytesIO(content), "an image"))

    times = paired(
        {
            "Pillow": lambda: [by_pillow(content) for content in files],
            "simplejpeg": lambda: [fast_levels(content) for content in files],
        },
        rounds,
    )
    levels = [(fast_levels(content), by_pillow(content)) for content in files]
    return {
        "files": len(files),
        "left_to_pillow": sum(fast is None for fast, _ in levels),
        "differ": sum(fast is not None and not np.array_equal(fast, own) for fast, own in levels),
        "microseconds": {name: 1e6 * min(spent) / len(files) for name, spent in times.items()},
    }


def label_share(labels: Path, images: Path, work: Path) -> float:
    """Share of the loading time that reading and decoding labels takes, cache and uint8."""
    data = dataset(labels, images, work, {"cache": True, "uint8": True})
    shares = []
    for _ in range(5):
        start = time.perf_counter()
        for i in range(len(data)):
            data.reader[i]
        reading = time.perf_counter() - start
        start = time.perf_counter()
        for i in range(len(data)):
            data[i]
        shares.append(reading / (time.perf_counter() - start))
    return sorted(shares)[len(shares) // 2]


def same_batches(dump: Path, labels: Path, images: Path, work: Path) -> bool:
    """Whether both loaders give the same tensors, bit for bit."""
    theirs = peer_loader(PeerDataset(dump, images, NORMALISATION), 0)
    own = ours(dataset(labels, images, work, {}), 0)
    return all(
        torch.equal(other[0], batch.images) and torch.equal(other[1], batch.hard)
        for other, batch in zip(theirs, own, strict=True)
    )


def readme_text(result: dict[str, Any]) -> str:
    """The table in docs/benchmarks.md."""
    columns = ["loader", "0 workers, images/s", "against peers", "2 workers", "against peers"]
    none, two = (result["throughput"][f"{workers} workers"] for workers in (0, 2))
    rows = [
        [
            name,
            f"{none[name]['images_per_second']:.0f}",
            f"{none[name]['times_peers']:.2f}x",
            f"{two[name]['images_per_second']:.0f}",
            f"{two[name]['times_peers']:.2f}x",
        ]
        for name in none
    ]
    used, jpeg = result["machine"], result["decoders"]
    spent = jpeg["microseconds"]
    return "\n\n".join(
        [
            markdown(columns, rows),
            "The peers' loader is rebuilt as SRe2L's and LPQLD's are: one image at a time,\n"
            "collated, and `torch.load` of the batch's file. Without uint8 both give the same\n"
            f"tensors, bit for bit. Reading labels takes {100 * result['label_share']:.1f} % of "
            "the fastest loader's time.",
            f"JPEG files are decoded by simplejpeg, in {spent['simplejpeg']:.0f} µs each instead "
            f"of Pillow's {spent['Pillow']:.0f} µs:\nof {jpeg['files']} files {jpeg['differ']} "
            f"differ in a pixel, {jpeg['left_to_pillow']} are left to Pillow.",
            f"Measured by `python benchmarks/loader.py` on {used['cpu']}, {used['cores']} cores, "
            f"torch {used['torch']}: 224x224 JPEG images, batches of 128, top-50 labels.",
        ]
    )


@click.command()
@click.option("--rounds", default=5, help="Timing rounds.")
def main(rounds: int) -> None:
    """Measure and write the results."""
    torch.set_num_threads(1)
    images = require_data("in1k-images")
    result: dict[str, Any] = {
        "command": "python benchmarks/loader.py",
        "data": "in1k-images under in1k-sre2l's augmentations, 2 epochs, batch 128, top-50 labels",
        "machine": machine(),
    }
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        dump, labels = prepared(work)
        result["same_tensors"] = same_batches(dump, labels, images, work)
        result["throughput"] = throughput(dump, labels, images, work, rounds)
        result["decoders"] = decoders(images, rounds)
        result["label_share"] = label_share(labels, images, work)
    save("loader", result)
    write_report("loader", readme_text(result))
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
