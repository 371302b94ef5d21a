"""Requests, bytes and seconds of reading labels over HTTP, and faults on the way.

python benchmarks/remote.py   # writes results/remote.json and docs/benchmarks.md

A server in another process answers 50 ms late, and accepts each connection 50 ms late. Files have
1 GB: the labels of real batches, stored again and again under other numbers.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from common import machine, markdown, require_data, save, where, write_report
from slow_server import counts, running

import labelcodec
from labelcodec.container import RecordReader
from labelcodec.container.layout import NAMES, SIDE_INFORMATION
from labelcodec.container.writer import RecordWriter
from labelcodec.errors import LabelcodecError
from labelcodec.replay.batch_order import BatchOrder
from labelcodec.replay.dataset import ReplayDataset
from labelcodec.replay.resident import ResidentLoader
from labelcodec.transcode import encode

LATENCY = 0.05  # seconds
CODECS = ("topk:k=50", "dense", "transform:bytes=30")
UNCHANGED = {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0]}


def stored(dump: Path, images: Path, target: Path, codec: str) -> Path:
    """The batches of a dump in a container that has their image indices, whatever their numbers."""
    source = target.with_name("source.slc")
    facts = {"images": images, "image_size": 224, "normalisation": UNCHANGED}
    encode(dump, source, codec="dense", force=True, **facts)
    with labelcodec.open(source) as reader:
        header = replace(reader.header, image_order=None)
        with labelcodec.Writer(target, header, codec, names=reader.names) as writer:
            for batch in reader:
                writer.add(batch)
    return target


def repeated(source: Path, target: Path, size: int) -> Path:
    """The full batches of a container, in random order again and again up to a size in bytes."""
    with RecordReader(source) as reader:
        writer = RecordWriter(target, reader.header)
        for number in range(reader.sides):
            writer.add_section(SIDE_INFORMATION, reader.side(number))
        if (names := reader.names()) is not None:
            writer.add_section(NAMES, names)
        index, number, written = reader.index, 0, 0
        chosen = random.Random(3)
        full = np.flatnonzero(index.samples == index.samples.max()).tolist()
        while written < size:
            position = chosen.choice(full)
            side, payload = reader.batch(position)
            samples = int(index.samples[position])
            writer.add_batch(
                payload, side=side, samples=samples, number=number, epoch=number // 1000
            )
            written += int(index.size[position])
            number += 1
        writer.close()
    return target


def one_batch(address: str, path: Path, rounds: int) -> dict[str, Any]:
    """Opening and reading one random batch, each time with a new connection."""
    chosen = random.Random(0)
    with labelcodec.open(path) as local:
        batches, index_size = len(local), local.shards.readers[0].index
        needed = [chosen.randrange(batches) for _ in range(rounds)]
        sizes = [int(index_size.size[position]) for position in needed]
        outside = path.stat().st_size - int(index_size.size.sum())  # header, tables, index
    requests, sent, seconds = [], [], []
    counts(address)
    for position in needed:
        start = time.perf_counter()
        with labelcodec.open(f"{address}/{path.name}") as reader:
            batch = reader[position]
        seconds.append(time.perf_counter() - start)
        assert batch.number == position
        counted = counts(address)
        sent.append(counted.pop("bytes"))
        requests.append(sum(counted.values()))
    return {
        "batches": batches,
        "requests": max(requests),
        "bytes": statistics.median(sent),
        "bytes_needed": statistics.median(sizes) + outside,
        "seconds": statistics.median(seconds),
        "seconds_first": seconds[0],
    }


def labels_alone(address: str, path: Path, batches: int, order: str) -> dict[str, Any]:
    """Decoding labels and nothing else, in the order of a sampler."""
    rates: dict[str, Any] = {}
    for place, name in (("local", str(path)), ("remote", f"{address}/{path.name}")):
        with labelcodec.open(name) as reader:
            sampler = BatchOrder(len(reader), per_epoch=batches, order=order, seed=1)
            reader[0]
            counts(address)
            start = time.perf_counter()
            needed = samples = 0
            for position in sampler:
                samples += len(reader[position])
                needed += int(reader.index.size[position])
            rates[f"{place}_labels_per_second"] = samples / (time.perf_counter() - start)
    counted = counts(address)
    sent = counted.pop("bytes")
    return rates | {
        "requests": sum(counted.values()),
        "batches": batches,
        "bytes_per_needed": sent / needed,
    }


def epoch(address: str, path: Path, images: Path, batches: int) -> dict[str, Any]:
    """Images per second of a resident loader: replayed, mixed and with their labels."""
    loaders: dict[str, Callable[[], int]] = {}
    for place, name in (("local", str(path)), ("remote", f"{address}/{path.name}")):
        data = ReplayDataset(name, images, uint8=True)
        order = BatchOrder(len(data), per_epoch=batches, seed=1)
        loader = ResidentLoader(data, order, "cpu")

        def drained(loader: ResidentLoader = loader) -> int:
            return sum(len(batch.hard) for batch in loader)

        drained()
        loaders[place] = drained
    rates: dict[str, list[float]] = {"local": [], "remote": []}
    counts(address)
    for _ in range(5):
        for place, run in loaders.items():
            start = time.perf_counter()
            samples = run()
            rates[place].append(samples / (time.perf_counter() - start))
    ratios = [far / near for far, near in zip(rates["remote"], rates["local"], strict=True)]
    return {
        "batches": batches,
        "local_images_per_second": statistics.median(rates["local"]),
        "remote_images_per_second": statistics.median(rates["remote"]),
        "ratio": statistics.median(ratios),
    }


def with_faults(folder: Path, path: Path, reads: int, share: float) -> dict[str, Any]:
    """Random reads by several threads from a server of which a share of the answers is wrong."""
    outcomes: Counter[str] = Counter()
    with (
        running(folder, 0.0, share) as address,
        labelcodec.open(path) as local,
        labelcodec.open(f"{address}/{path.name}") as reader,
        ThreadPoolExecutor(8) as threads,
    ):
        counts(address)

        def read(number: int) -> str:
            chosen = random.Random(number)
            position = chosen.randrange(len(local))
            try:
                if number % 8 == 0:  # some batches are fetched ahead
                    reader.read_ahead([position, *chosen.sample(range(len(local)), 20)])
                stored = bytes(reader.stored(position)[1])
            except (LabelcodecError, OSError) as error:
                return type(error).__name__
            return "right" if stored == bytes(local.stored(position)[1]) else "wrong"

        outcomes.update(threads.map(read, range(reads)))
        faults = counts(address)
    faults.pop("bytes")
    return {
        "reads": reads,
        "right": outcomes.pop("right", 0),
        "wrong": outcomes.pop("wrong", 0),
        "named_failures": dict(outcomes),
        "answers": faults,
    }


def report(result: dict[str, Any]) -> str:
    """The tables in docs/benchmarks.md."""
    rows: list[list[Any]] = []
    for codec, figures in result["one_batch"].items():
        allowed = 1.1 * figures["bytes_needed"] + (64 << 10)
        rows.append(
            [
                f"`{codec}`, {figures['batches']} batches",
                figures["requests"],
                f"{figures['bytes'] / 1000:.0f}",
                f"{figures['bytes_needed'] / 1000:.0f}",
                f"{allowed / 1000:.0f}",
                f"{figures['seconds']:.2f}",
            ]
        )
    columns = ["1 GB of", "requests", "kB sent", "kB needed", "kB allowed", "seconds"]
    lines = [markdown(columns, rows), ""]
    rows = []
    for name, figures in result["labels"].items():
        rows.append(
            [
                name,
                f"{figures['local_labels_per_second']:.0f}",
                f"{figures['remote_labels_per_second']:.0f}",
                f"{figures['requests'] / figures['batches']:.2f}",
                f"{figures['bytes_per_needed']:.2f}",
            ]
        )
    columns = ["labels alone", "labels/s here", "labels/s at 50 ms", "requests per batch"]
    lines += [markdown([*columns, "bytes read / needed"], rows), ""]
    figures, faults = result["epoch"], result["faults"]
    failures = ", ".join(f"{count} {name}" for name, count in faults["named_failures"].items())
    lines += [
        f"An epoch of a resident loader on the CPU gives {figures['local_images_per_second']:.0f} "
        f"images/s here and {figures['remote_images_per_second']:.0f} at 50 ms, "
        f"{figures['ratio']:.2f} times as many.",
        "",
        f"Of {faults['reads']} random reads with {100 * result['fault_share']:.0f} % faulty "
        f"answers {faults['right']} were right, {faults['wrong']} wrong; named failures: "
        f"{failures or 'none'}.",
        "",
        f"Measured by `python benchmarks/remote.py` on {where(result['machine'])}.",
    ]
    return "\n".join(lines)


@click.command()
@click.option("--size", default=1_000_000_000, help="Bytes of a file.")
@click.option("--rounds", default=15, help="Random batches.")
@click.option("--reads", default=10_000, help="Reads with faults.")
def main(size: int, rounds: int, reads: int) -> None:
    """Measure, and write results and tables."""
    result: dict[str, Any] = {
        "command": "python benchmarks/remote.py",
        "machine": machine(),
        "latency": LATENCY,
        "size": size,
        "one_batch": {},
        "labels": {},
        "fault_share": 0.3,
    }
    dump, images = require_data("in1k-sre2l"), require_data("in1k-images")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for codec in CODECS:
            short = codec.partition(":")[0]
            small = stored(dump, images, work / f"small-{short}.slc", codec)
            path = repeated(small, work / f"{short}.slc", size)
            with running(work, LATENCY) as address:
                result["one_batch"][codec] = one_batch(address, path, rounds)
                print(codec, result["one_batch"][codec], flush=True)
                for order in ("pool", "recorded"):
                    figures = labels_alone(address, path, 1000, order)
                    result["labels"][f"`{codec}`, order {order}"] = figures
                    print(order, figures, flush=True)
                if short == "topk":
                    result["epoch"] = epoch(address, path, images, 60)
                    print(result["epoch"], flush=True)
            path.unlink()
        small = repeated(work / "small-topk.slc", work / "faults.slc", size // 3)
        result["faults"] = with_faults(work, small, reads, result["fault_share"])
        print(result["faults"], flush=True)
    save("remote", result)
    write_report("remote", report(result))


if __name__ == "__main__":
    main()
