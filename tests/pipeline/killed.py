"""Relabels and trains in processes that kill themselves halfway."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from labelcodec.pipeline.training import train
from tests.pipeline import scene

EPOCHS, FIT_LABELS = 4, 12
TRAIN = {"micro_batch": 3, "ema": 0.9}


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies(job: Callable[[], object]) -> None:
    child = os.fork()
    if child == 0:
        job()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def training(world: Path, out: Path) -> None:
    """A run that dies on the way and goes on, and one that does not; all of the same threads."""
    given = world / "labels.slc", world / "images", scene.settings(**TRAIN)
    halfway = scene.after(14, die)  # in the third epoch of six batches
    dies(lambda: train(*given, out / "run", device="cpu", progress=halfway))
    shutil.copytree(out / "run", out / "left")
    train(*given, out / "run", device="cpu", resume=True)
    train(*given, out / "whole", device="cpu")


def main(world: Path, out: Path) -> None:
    given = world / "images", world / "teacher.safetensors"
    early, late = out / "early.slc", out / "late.slc"
    dies(lambda: scene.relabel(*given, early, epochs=EPOCHS, progress=scene.after(9, die)))
    for patch in scene.fit_to(FIT_LABELS):
        setattr(*patch)
    dies(lambda: scene.relabel(*given, late, epochs=EPOCHS, progress=scene.after(9, die)))


if __name__ == "__main__":
    {"relabel": main, "train": training}[sys.argv[1]](*map(Path, sys.argv[2:]))
