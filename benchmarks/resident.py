"""Images per second of resident replay, beside loaders with worker processes, in one run.

python benchmarks/resident.py               # on the CPU: results/resident.json and a table
python benchmarks/resident.py --device cuda # on a GPU: results/resident_cuda.json and a table

Every job gives finished batches on the device: crops, flips, CutMix, normalisation, and `transform`
labels expanded to logits; with the peers' loader, top-50 labels. On a GPU a ResNet-18 is trained,
too, if torchvision is there.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
import torch
from common import machine, markdown, paired, ratio, require_data, save, write_report
from peer_loader import PeerDataset, peer_loader
from torch import nn
from torch.utils.data import DataLoader

from labelcodec import losses
from labelcodec.codecs import registry
from labelcodec.formats import open_dump, write_dump
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.replay_batch import ReplayBatch
from labelcodec.replay.resident import ResidentLoader
from labelcodec.transcode.encode_dump import encode
from labelcodec.writer import prepare

NORMALISATION = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
CODEC = "transform:bytes=30"
PEERS = "the peers' loader"
CACHED = "cache and uint8"


def prepared(work: Path, batches: int) -> tuple[Path, Path]:
    """The same batches as top-50 labels in LPQLD's layout, and as our codec's in a container."""
    dump, top_50 = open_dump(require_data("in1k-sre2l")), registry.parse("topk:k=50")
    write_dump((dump.read(i) for i in range(batches)), work / "sre2l", "sre2l", {})
    kept = (prepare(dump.read(i), top_50, False) for i in range(batches))
    write_dump(kept, work / "lpqld", "lpqld", {})
    images = require_data("in1k-images")
    encode(work / "sre2l", work / "labels.slc", codec=CODEC, images=images)
    return work / "lpqld", work / "labels.slc"


def finished(loader: Iterable[ReplayBatch], data: ReplayDataset, device: str) -> Callable[[], None]:
    """A job that goes once through a stock loader and finishes its batches."""

    def run() -> None:
        for batch in loader:
            data.finish(batch, device)
        synchronise(device)

    return run


def drained(loader: Iterable[Any], device: str) -> Callable[[], None]:
    """A job that goes once through a loader of finished batches."""

    def run() -> None:
        for _ in loader:
            pass
        synchronise(device)

    return run


def synchronise(device: str) -> None:
    """Wait for the device."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def on_device(loader: Iterable[Any], device: str) -> Iterable[Any]:
    """The peers' batches on the device."""
    for images, hard, *more in loader:
        yield images.to(device, non_blocking=True), hard.to(device, non_blocking=True), more


def loading(
    dump: Path, labels: Path, work: Path, device: str, workers: int, rounds: int, repeat: int
) -> dict[str, Any]:
    """Images per second of every loader, and against ours with a cache and workers."""
    images = require_data("in1k-images")
    settings: dict[str, Any] = {"image_size": (224, 224), "normalisation": NORMALISATION}
    cached = ReplayDataset(labels, images, uint8=True, cache=work / "cache", **settings)
    resident = ReplayDataset(labels, images, **settings)
    pinned = device.startswith("cuda")
    jobs = {PEERS: drained_peers(dump, images, workers, device)}
    for pin in (False, True) if pinned else (False,):
        name = CACHED + (", pinned" if pin else "")
        order = BatchOrder(len(cached), per_epoch=repeat * len(cached), order="recorded")
        loader = DataLoader(
            cached, batch_size=None, sampler=order, num_workers=workers, pin_memory=pin
        )
        jobs[name] = finished(loader, cached, device)
    for place in ("device", "host") if pinned else ("host",):
        order = BatchOrder(len(resident), per_epoch=repeat * len(resident), order="recorded")
        loader = ResidentLoader(resident, order, device, place=place)
        jobs[f"resident, {place} memory"] = drained(loader, device)
    times = paired(jobs, rounds)
    samples = int(resident.reader.index.samples.sum())
    counts = {name: samples * (1 if name == PEERS else repeat) for name in jobs}
    per_image = {name: [s / counts[name] for s in times[name]] for name in jobs}
    return {
        name: {
            "images_per_second": 1 / min(per_image[name]),
            "times_cached": ratio(per_image, name, CACHED),
            "times_peers": ratio(per_image, name, PEERS),
        }
        for name in jobs
    }


def drained_peers(dump: Path, images: Path, workers: int, device: str) -> Callable[[], None]:
    """The peers' loader over the same batches."""
    loader = peer_loader(PeerDataset(dump, images, NORMALISATION), workers)
    return (
        drained(on_device(loader, device), device) if device != "cpu" else drained(loader, device)
    )


def training(labels: Path, rounds: int, steps: int) -> dict[str, Any] | None:
    """ResNet-18 in bfloat16: images per second with resident batches, and with one batch."""
    try:
        from torchvision.models import resnet18
    except Exception:
        return None
    data = ReplayDataset(
        labels,
        require_data("in1k-images"),
        image_size=(224, 224),
        normalisation=NORMALISATION,
    )
    model = resnet18().cuda().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    order = BatchOrder(len(data), per_epoch=steps, order="pool")
    loader = ResidentLoader(data, order, "cuda")
    whole = max(loader, key=len)

    def resident() -> None:
        for batch in loader:
            step(model, optimizer, batch)
        torch.cuda.synchronize()

    def alone() -> None:
        for _ in range(steps):
            step(model, optimizer, whole)
        torch.cuda.synchronize()

    times = paired({"resident": resident, "network alone": alone}, rounds)
    samples = sum(len(batch) for batch in loader)
    speeds = {
        "resident": samples / min(times["resident"]),
        "network alone": steps * len(whole) / min(times["network alone"]),
    }
    return {**speeds, "share": speeds["resident"] / speeds["network alone"]}


def step(model: nn.Module, optimizer: torch.optim.Optimizer, batch: ReplayBatch) -> None:
    """One optimiser step."""
    with torch.autocast("cuda", torch.bfloat16):
        logits = model(batch.images)
    optimizer.zero_grad(set_to_none=True)
    losses.kl(logits, batch.labels, 4.0).backward()
    optimizer.step()


def report(result: dict[str, Any]) -> str:
    """The table of docs/benchmarks.md."""
    columns = ["batches from", "images/s", "against cache and uint8", "against the peers"]
    rows = [
        [
            name,
            f"{row['images_per_second']:,.0f}",
            f"{row['times_cached']:.2f}x",
            f"{row['times_peers']:.2f}x",
        ]
        for name, row in result["loading"].items()
    ]
    used = result["machine"]
    lines = [
        markdown(columns, rows),
        f"Measured by `{result['command']}` on {used['cpu']}, {used['cores']} cores, torch "
        f"{used['torch']}, device {result['device']}: {result['data']}, "
        f"{result['workers']} workers. Images/s: fastest round; ratios: medians of rounds.",
    ]
    return "\n\n".join(lines)


@click.command()
@click.option("--device", default="cpu", help="Torch device.")
@click.option("--workers", default=2, help="Processes of the loaders that have some.")
@click.option("--rounds", default=5, help="Timing rounds.")
@click.option("--batches", default=16, help="Recorded batches.")
@click.option("--repeat", default=1, help="Passes over them per round, but for the peers.")
def main(device: str, workers: int, rounds: int, batches: int, repeat: int) -> None:
    """Measure and write the results."""
    if device == "cpu":
        torch.set_num_threads(1)
    name = "resident" if device == "cpu" else "resident_cuda"
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        dump, labels = prepared(work, batches)
        result: dict[str, Any] = {
            "command": f"python benchmarks/resident.py --device {device}",
            "data": f"in1k-images of 224 x 224 under in1k-sre2l's augmentations, {CODEC}",
            "device": torch.cuda.get_device_name() if device != "cpu" else "cpu",
            "workers": workers,
            "machine": machine(),
            "loading": loading(dump, labels, work, device, workers, rounds, repeat),
        }
        if device != "cpu":
            result["training"] = training(labels, rounds, 200)
    result["seconds"] = round(time.perf_counter() - start)
    save(name, result)
    write_report(name.replace("_", "-"), report(result))
    click.echo(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
