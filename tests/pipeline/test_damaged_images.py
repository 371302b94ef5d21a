"""An image damaged while a run goes on: once it is mended, the run is that of sound images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from labelcodec.errors import MismatchError
from labelcodec.pipeline.recovery.recovering import recover
from labelcodec.pipeline.relabelling import relabel
from labelcodec.pipeline.squeezing import squeeze
from labelcodec.pipeline.training import train
from tests.pipeline import scene
from tests.pipeline.recovery.networks import Network

CUT_OFF = "003.png: cannot read this image"
Run = Callable[..., Any]


def relabelling(root: Path) -> Run:
    options = {"weights": scene.weights(root / "weights.safetensors"), "epochs": 4, "device": "cpu"}
    options |= {"batch_size": scene.BATCH, "image_size": scene.SIDE}
    options |= {"normalisation": scene.NORMALISATION}
    return lambda out, **more: relabel(root / "images", out, scene.SMALL, **options, **more)


def squeezing(root: Path) -> Run:
    options = {"image_size": scene.SIDE, "batch_size": scene.BATCH, "device": "cpu", "epochs": 4}
    return lambda out, **more: squeeze(root / "images", out, Network(), **options, **more)


def training(root: Path) -> Run:
    relabelling(root)(root / "labels.slc")
    arguments = root / "labels.slc", root / "images", scene.settings()
    return lambda out, **more: train(*arguments, out, device="cpu", workers=0, **more)


def recovery(root: Path) -> Run:
    squeezing(root)(root / "statistics")
    options = {"ipc": 3, "iterations": 2, "batch_size": 2, "device": "cpu", "method": "lpld"}
    images = {"init": "images", "images": root / "images"}
    return lambda out, **more: recover(
        root / "statistics", out, Network(), **options, **images, **more
    )


def content(path: Path) -> dict[str, bytes]:
    """Every file's content, but not the times that a log has."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {
        "" if file == path else str(file.relative_to(path)): file.read_bytes()
        for file in files
        if file.name != "log.jsonl"
    }


@pytest.mark.parametrize("job", [relabelling, squeezing, training, recovery])
def test_the_run_goes_on_when_the_image_is_mended(tmp_path, job) -> None:
    image = scene.images(tmp_path / "images") / "class03" / "003.png"
    sound = image.read_bytes()
    run = job(tmp_path)
    run(tmp_path / "whole")

    def damage(done: int, total: int, doing: str = "") -> None:
        if done == total // 2 and total != scene.IMAGES:  # else images are looked at
            image.write_bytes(sound[: len(sound) // 2])

    with pytest.raises(MismatchError, match=CUT_OFF) as told:
        run(tmp_path / "stopped", progress=damage)
    assert any("resume=True" in note for note in told.value.__notes__)
    with pytest.raises(MismatchError, match=CUT_OFF):
        run(tmp_path / "stopped", resume=True)
    image.write_bytes(sound)
    run(tmp_path / "stopped", resume=True)
    assert content(tmp_path / "stopped") == content(tmp_path / "whole")
