"""notes/adding.md, applied to a copy of the library: one row each is all that it takes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w+) file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def patched(source: str, diff: str) -> str:
    """The text with a hunk of a unified diff applied; its context must be there once."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    assert source.count(before) == 1
    return source.replace(before, after)


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    """A folder with a copy of the library and its commands, to which the notes were applied."""
    folder = tmp_path_factory.mktemp("adding")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "labelcodec", folder / "labelcodec", ignore=ignored)
    shutil.copytree(ROOT / "cli", folder / "labelcodec_cli", ignore=ignored)
    for kind, name, text in BLOCK.findall((ROOT / "notes/adding.md").read_text()):
        path = folder / name
        assert path.exists() == (kind == "diff"), name
        path.write_text(patched(path.read_text(), text) if kind == "diff" else text)
    return folder


def run(library: Path, script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PREAMBLE + script],
        cwd=library,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(library), str(ROOT), *sys.path])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


PREAMBLE = """
import json, subprocess, sys
import numpy as np
import labelcodec
assert labelcodec.__file__.startswith(sys.path[1] or "."), labelcodec.__file__

def call(*args):
    command = [sys.executable, "-m", "labelcodec", *args]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout

DUMP = "labelcodec/fixtures/in1k-two-batches"
"""


def test_a_row_is_all_that_a_codec_needs(library) -> None:
    run(
        library,
        """
from pathlib import Path
from labelcodec.replay import ReplayDataset
from tests.replay import scene

assert "level" in call("codecs") and "planes:level=19" in call("codecs")
call("encode", DUMP, "planes.slc", "--codec", "planes:level=3")
assert "identical" in call("compare", DUMP, "planes.slc")
assert "sound" in call("verify", "planes.slc")
stats = json.loads(call("stats", "planes.slc", "--json", "--plot", "stats.png"))
assert stats["components"]["label values"] > 100_000
assert Path("stats.png").stat().st_size > 1000
assert "codec name " in call("inspect", "planes.slc")
assert "not measured" in call("plan", "--classes", "1000", "--ipc", "10", "--codec", "planes")
assert "planes" in call("plan", "--classes", "1000", "--ipc", "10")
scene.folder(Path("images"))
scene.write(Path("seen.slc"), [scene.batch(0, range(3))], codec="planes")
assert len(ReplayDataset("seen.slc", "images")[0].labels.value) == 3
""",
    )


def test_a_row_is_all_that_a_layout_needs(library) -> None:
    run(
        library,
        """
call("encode", DUMP, "a.slc")
call("decode", "a.slc", "copy", "--layout", "npz")
call("encode", "copy", "b.slc")
with labelcodec.open("a.slc") as first, labelcodec.open("b.slc") as second:
    for left, right in zip(first, second, strict=True):
        np.testing.assert_array_equal(left.image_index, right.image_index)
        np.testing.assert_array_equal(left.labels.value, right.labels.value)
assert "npz" in call("stats", "copy")
""",
    )


def test_a_row_is_all_that_a_part_of_the_augmentation_needs(library) -> None:
    run(
        library,
        """
from dataclasses import replace
import torch
from PIL import Image
from labelcodec.analysis.breakdown import stats
from labelcodec.replay.batch_replay import replay_batch
from labelcodec.replay.image_replay import replay_image

rng = np.random.default_rng(0)
grey = np.array([True, False, True])
logits = rng.normal(size=(3, 10)).astype(np.float16)
augmentation = labelcodec.Augmentation(greyscale=grey)
batch = labelcodec.LabelBatch(0, 0, np.arange(3), augmentation, labelcodec.Labels(10, logits))
with labelcodec.Writer("grey.slc", labelcodec.Header(classes=10), "dense") as writer:
    writer.add(batch)
with labelcodec.open("grey.slc") as reader:
    np.testing.assert_array_equal(reader[0].augmentation.greyscale, grey)
assert stats("grey.slc").components["greyscale"] > 0
wrong = replace(batch, augmentation=labelcodec.Augmentation(greyscale=grey[:2]))
try:
    labelcodec.Writer("wrong.slc", labelcodec.Header(classes=10), "dense").add(wrong)
    raise SystemExit("a value of the wrong shape was taken")
except labelcodec.DataError as error:
    assert "greyscale" in str(error)
call("stats", "grey.slc", "--plot", "grey.png")
images = rng.integers(0, 256, (3, 8, 8, 3), np.uint8)
both = replay_batch(torch.from_numpy(images), augmentation, (8, 8))
for i in range(3):
    single = np.asarray(replay_image(Image.fromarray(images[i]), augmentation, i, (8, 8)))
    np.testing.assert_array_equal(both[i].permute(1, 2, 0).numpy(), single)
    assert (single[..., 0] == single[..., 1]).all() == grey[i]
""",
    )
