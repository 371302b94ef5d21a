"""Run by torchrun as two processes: relabels and trains, and leaves files to be compared.

Run alone, it relabels what they do.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

from labelcodec.pipeline import checkpoint
from labelcodec.pipeline.distributed import Process, process
from labelcodec.pipeline.networks import convnet
from labelcodec.pipeline.recovery.recovering import recover
from labelcodec.pipeline.squeezing import squeeze
from labelcodec.pipeline.trainer import Trainer
from labelcodec.pipeline.training import train
from tests.pipeline import killed, scene

RELABEL = {
    "dense": {"codec": "dense", "epochs": 2},
    "transform": {"codec": "transform:bytes=8", "epochs": 8},
    "resumed": {"codec": "topk:k=3", "epochs": 3},
}
# Recorded batches of 4 and of 2 samples: the processes have different numbers of samples.
TRAIN = {"batch_size": 2, "micro_batch": 1, "ema": 0.9, "batches_per_epoch": 6, "temperature": 2.0}
# Steps of two recorded batches, whoever takes them; of gradient descent, which scales with errors.
SHARED = {
    "model": "tests.pipeline.scene:still", "optimizer": "sgd", "learning_rate": 0.1,
    "batches_per_epoch": 6, "temperature": 2.0, "calibrated": False,
    "phases": [{"share": 0.5, "loss": "kl"}, {"share": 0.5, "loss": "hard"}],
}  # fmt: skip


def main(world: Path, out: Path, here: Process) -> list[Trainer]:
    """Gives the students that end with the group."""
    with ExitStack() as patches:
        for codec, name, labels in scene.fit_to(killed.FIT_LABELS):
            patches.enter_context(patch.object(codec, name, labels))
        given = world / "images", world / "teacher.safetensors"
        for name in ("early", "late"):  # what one process began
            scene.relabel(*given, out / f"{name}.slc", here, epochs=killed.EPOCHS, resume=True)
        with suppress(ZeroDivisionError):
            fails = scene.after(5, lambda: 1 // 0)
            scene.relabel(*given, out / "half/a.slc", here, epochs=killed.EPOCHS, progress=fails)
    for name, options in RELABEL.items():
        target = out / f"{name}.slc"
        given = world / "images", world / "teacher.safetensors", target, here
        if name == "resumed":
            with suppress(ZeroDivisionError):  # before the processes have to wait for each other
                scene.relabel(
                    *given, progress=scene.after(3 + here.rank, lambda: 1 // 0), **options
                )
            (out / "begun").mkdir(exist_ok=True)
            for path in out.glob(f"{name}-{here.rank}-of-*"):
                shutil.copy(path, out / "begun")
        seen: list[tuple[int, int]] = []
        told = {"progress": lambda *step, seen=seen: seen.append(step), "resume": True}
        scene.relabel(*given, **told, **options)
        counted = [step for step in seen if len(step) == 2]  # without preparations
        (out / f"{name}-{here.rank}.json").write_text(json.dumps(counted))
    statistics(world / "images", out / "statistics")
    recovered(world, out)
    write = checkpoint.save

    def kept_every_epoch(path: Path, state: Any) -> None:
        write(path, state)
        if "epochs" in state:
            shutil.copy(path, out / f"shared-{state['epochs']}.pt")

    with patch.object(checkpoint, "save", kept_every_epoch):
        settings = scene.settings(**SHARED)
        train(out / "full.slc", world / "images", settings, out / "shared", device="cpu")
    kept: list[Trainer] = []
    made = Trainer.__init__

    def remembered(self: Trainer, *given: Any) -> None:
        made(self, *given)
        kept.append(self)

    with patch.object(Trainer, "__init__", remembered):
        train(
            world / "labels.slc", world / "images", scene.settings(**TRAIN), out / "run",
            device="cpu", validate=world / "validation", validate_every=1,
        )  # fmt: skip
    torch.save(kept[-1].state(), out / f"state-{here.rank}.pt")
    return kept


def statistics(images: Path, target: Path) -> None:
    torch.manual_seed(3)
    given = {"image_size": 32, "batch_size": scene.BATCH, "normalisation": scene.NORMALISATION}
    squeeze(images, target, convnet(scene.CLASSES), device="cpu", **given)


def recovered(world: Path, out: Path) -> None:
    for method in ("lpld", "sre2l"):
        torch.manual_seed(3)
        recover(
            world / "statistics", out / f"recovered-{method}", convnet(scene.CLASSES), device="cpu",
            method=method, ipc=2, iterations=4, batch_size=3,
        )  # fmt: skip


def alone(world: Path, out: Path) -> None:
    statistics(world / "images", out / "statistics")
    recovered(world, out)
    for name, options in RELABEL.items():
        given = world / "images", world / "teacher.safetensors", out / f"{name}.slc"
        scene.relabel(*given, **options)


if __name__ == "__main__":
    if "WORLD_SIZE" not in os.environ:
        alone(*map(Path, sys.argv[1:]))
        sys.exit()
    with process("cpu") as group:
        students = main(*map(Path, sys.argv[1:]), group)
    names = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    (Path(sys.argv[2]) / f"threads-{group.rank}.json").write_text(json.dumps(names))
