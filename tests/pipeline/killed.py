"""Relabels and trains in processes that kill themselves halfway."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from labelcodec.pipeline.train import train
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


def main(world: Path, out: Path) -> None:
    given = world / "images", world / "teacher.safetensors"
    early, late = out / "early.slc", out / "late.slc"
    dies(lambda: scene.relabel(*given, early, epochs=EPOCHS, progress=scene.after(9, die)))
    for patch in scene.fit_to(FIT_LABELS):
        setattr(*patch)
    dies(lambda: scene.relabel(*given, late, epochs=EPOCHS, progress=scene.after(9, die)))
    labels, settings = world / "labels.slc", scene.settings(**TRAIN)
    halfway = scene.after(14, die)  # in the third epoch of six batches
    dies(lambda: train(labels, world / "images", settings, out / "run", progress=halfway))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
