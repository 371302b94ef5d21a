"""Runs that are killed at random moments, resumed, and compared with runs that were not.

    python -m tests.fuzz.kills --kills 100 [--seed N] [--dump DUMP]

A job prints a line when it begins. After a random part of its time it is killed with SIGKILL, and
started again with `resume`, until it ends. Its files then have the bytes of an uninterrupted job.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

CODECS = ("dense", "dense2", "topk:k=10", "topk:k=5,step=0.25", "transform:bytes=30", "vq:codes=2")
SMALL = ("dense", "topk:k=2")  # of a dump of few classes
OF_TOKENS = ("topk:k=4", "sampled:n=20", "dense")  # of the tokens of 400 texts
LABELLED = ("dense", "topk:k=3", "transform:bytes=8")
BEGINS = "begins"
MOST_KILLS = 3  # of one job


def encode_job(dump: Path, out: Path, codec: str, processes: int) -> None:
    """Encode a dump; two processes share what follows the first batches."""
    from labelcodec import workers
    from labelcodec.transcode import encode

    if processes > 1:
        workers.WATCHED, workers.WORTHWHILE = 0, 1e-9
    classes = 300 if dump.suffix == ".npz" else None  # of tokens
    print(BEGINS, flush=True)
    if not (out / "a.slc").exists():  # else it had ended before it could be killed
        encode(dump, out / "a.slc", codec=codec, threads=processes, resume=True, classes=classes)


def recode_job(world: Path, out: Path, codec: str, processes: int) -> None:
    """Encode a container's labels with another codec."""
    from labelcodec import workers
    from labelcodec.transcode import recode

    if processes > 1:
        workers.WATCHED, workers.WORTHWHILE = 0, 1e-9
    print(BEGINS, flush=True)
    if not (out / "a.slc").exists():
        recode(world / "long.slc", out / "a.slc", codec, threads=processes, resume=True)


def compute_job(world: Path, out: Path, codec: str) -> None:
    """Compute labels that are a function of their images, and encode them."""
    from labelcodec.pipeline.projection.materialising import materialise
    from tests.pipeline import scene

    arguments = world / "tiny.slc", out / "a.slc", codec, world / "images", scene.SMALL
    print(BEGINS, flush=True)
    if not (out / "a.slc").exists():
        materialise(*arguments, encoder_weights=world / "teacher.safetensors", resume=True)


def squeeze_job(world: Path, out: Path, workers: int) -> None:
    """Collect statistics, which are saved often."""
    from labelcodec.pipeline import squeezing
    from tests.pipeline import scene
    from tests.pipeline.recovery.networks import Network

    squeezing.SAVE_EVERY = 0.05
    options = {"image_size": scene.SIDE, "batch_size": 4, "epochs": 40, "device": "cpu"}
    arguments = world / "images", out / "statistics", Network()
    print(BEGINS, flush=True)
    if not (out / "statistics").exists() or any(out.glob("*.partial")):
        squeezing.squeeze(*arguments, workers=workers, resume=True, **options)


def relabel_job(world: Path, out: Path, codec: str, fits: int, workers: int) -> None:
    """Label images; tables are fitted to `fits` labels, the others follow."""
    from tests.pipeline import scene

    for patch in scene.fit_to(fits):
        setattr(*patch)
    print(BEGINS, flush=True)
    arguments = world / "images", world / "teacher.safetensors", out / "a.slc"
    scene.relabel(*arguments, codec=codec, epochs=40, workers=workers, resume=True)


def train_job(world: Path, out: Path) -> None:
    """Train a student."""
    from labelcodec.pipeline.training import train
    from tests.pipeline import scene

    settings = scene.settings(epochs=12, ema=0.9)
    print(BEGINS, flush=True)
    arguments = world / "labels.slc", world / "images", settings, out / "run"
    train(*arguments, device="cpu", resume=(out / "run").exists())


def recover_job(world: Path, out: Path, method: str) -> None:
    """Recover images, a class or four images at a time."""
    from labelcodec.pipeline.recovery.recovering import recover
    from tests.pipeline import scene
    from tests.pipeline.recovery.networks import Network

    print(BEGINS, flush=True)
    options = {"ipc": 3, "iterations": 30, "batch_size": 4, "classes": scene.CLASSES}
    recover(
        world / "statistics", out / "images", Network(), device="cpu", method=method, resume=True,
        class_range=(1, 5), note=lambda line: None, **options,
    )  # fmt: skip


JOBS: dict[str, Callable[..., None]] = {
    "encode": encode_job,
    "recode": recode_job,
    "compute": compute_job,
    "squeeze": squeeze_job,
    "relabel": relabel_job,
    "recover": recover_job,
    "train": train_job,
}


def kills(count: int, seed: int, dump: Path | None = None) -> Counter[str]:
    """Kill jobs until there were `count` kills; the number of kills of each kind of job.

    Raises:
        AssertionError: a resumed job wrote other bytes, or left other files.
    """
    rng = random.Random(seed)
    made: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        world, source = _world(root / "world"), dump or _dump(root / "dump")
        codecs = CODECS if dump else SMALL
        jobs = [("encode", source, codec, processes) for codec in codecs for processes in "12"]
        jobs += [
            ("encode", world / "tokens.npz", codec, processes)
            for codec in OF_TOKENS
            for processes in "12"
        ]
        jobs += [("recode", world, codec, processes) for codec in LABELLED for processes in "12"]
        jobs += [("compute", world, codec) for codec in LABELLED]
        jobs += [
            ("relabel", world, codec, fits, workers)
            for codec in LABELLED
            for fits, workers in (("12", "0"), ("100000", "2"))
        ]
        jobs += [("recover", world, method) for method in ("lpld", "sre2l")]
        jobs += [("squeeze", world, workers) for workers in "02"]
        jobs += [("train", world)]
        rng.shuffle(jobs)
        for number in range(10**6):
            if sum(made.values()) >= count:
                break
            kind, *arguments = jobs[number % len(jobs)]
            made[kind] += _killed(root / f"{number}", kind, list(map(str, arguments)), rng)
    return made


def _killed(folder: Path, kind: str, arguments: list[str], rng: random.Random) -> int:
    """Run a job whole and in pieces; the number of times that it was killed."""
    whole, pieces = folder / "whole", folder / "pieces"
    whole.mkdir(parents=True)
    pieces.mkdir()
    seconds = _run(kind, arguments, whole, None)
    kills = 0
    for _ in range(rng.randint(1, MOST_KILLS)):
        if _run(kind, arguments, pieces, rng.uniform(0, seconds)) is None:
            kills += 1
    _run(kind, arguments, pieces, None)
    expected, written = (
        {str(path.relative_to(top)): _content(path) for path in sorted(top.rglob("*"))
         if path.is_file()}
        for top in (whole, pieces)
    )  # fmt: skip
    assert written.keys() == expected.keys(), (kind, arguments, written.keys() ^ expected.keys())
    for name, content in expected.items():
        assert written[name] == content, (kind, arguments, name)
    return kills


def _content(path: Path) -> object:
    """The bytes of a file; of a training log what it says, without its speeds."""
    from tests.pipeline import scene

    return scene.logged(path.parent) if path.name == "log.jsonl" else path.read_bytes()


def _run(kind: str, arguments: list[str], out: Path, after: float | None) -> float | None:
    """Run a job; its seconds, or None if it was killed `after` these seconds."""
    command = [
        sys.executable,
        "-m",
        __spec__.name if __spec__ else "tests.fuzz.kills",
        "--job",
        kind,
    ]
    limits = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    child = subprocess.Popen(
        [*command, *arguments[:1], str(out), *arguments[1:]],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | limits,
    )  # fmt: skip
    with child:
        assert child.stdout is not None and child.stderr is not None
        child.stdout.readline()
        start = time.monotonic()
        if after is not None:
            try:
                child.wait(after)
            except subprocess.TimeoutExpired:
                child.send_signal(signal.SIGKILL)
        errors = child.stderr.read()
        child.wait()
    assert child.returncode in (0, -signal.SIGKILL), errors[-2000:]
    return time.monotonic() - start if child.returncode == 0 else None


def _world(root: Path) -> Path:
    import numpy as np

    from labelcodec.pipeline.projection.adapting import AdaptSettings
    from labelcodec.pipeline.projection.projecting import project
    from labelcodec.pipeline.squeezing import squeeze
    from tests.formats import token_sources
    from tests.pipeline import scene
    from tests.pipeline.recovery.networks import Network

    root.mkdir()
    scene.images(root / "images")
    scene.weights(root / "teacher.safetensors")
    scene.relabel(root / "images", root / "teacher.safetensors", root / "labels.slc")
    squeeze(root / "images", root / "statistics", Network(), image_size=scene.SIDE, device="cpu")
    scene.relabel(root / "images", root / "teacher.safetensors", root / "long.slc", epochs=40)
    options = {"encoder_weights": root / "teacher.safetensors", "encoder_classes": scene.CLASSES}
    arguments = root / "long.slc", root / "tiny.slc", root / "images", scene.SMALL
    project(*arguments, settings=AdaptSettings(steps=3), device="cpu", **options)
    np.savez(root / "tokens.npz", **token_sources.columns((6,) * 400, k=None))
    return root


def _dump(root: Path) -> Path:
    from tests.formats.builders import epoch_dump, loader_order

    return epoch_dump(root, loader_order(40, 3), 16)


def main() -> None:
    """Run from the command line: all kills, or one job."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dump", type=Path)
    parser.add_argument("--job", nargs="+")
    options = parser.parse_args()
    if options.job:
        kind, source, out, *rest = options.job
        job: Callable[..., None] = JOBS[kind]
        job(Path(source), Path(out), *(int(each) if each.isdigit() else each for each in rest))
        return
    made = kills(options.kills, options.seed, options.dump)
    numbers = ", ".join(f"{count} of {kind}" for kind, count in sorted(made.items()))
    print(f"{sum(made.values())} kills ({numbers}): every resumed job wrote the same bytes")


if __name__ == "__main__":
    main()
