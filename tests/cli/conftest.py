from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelcodec_cli.console import run
from labelcodec_cli.main import cli
from tests.cli.call import FIXTURE
from tests.formats.token_sources import columns
from tests.images import sources
from tests.pipeline import scene

MODELS = """
from torch import nn

def teacher(classes):
    return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, classes))
"""


STUDY = """
[teacher]
model = "resnet20"
weights = "resnet20.safetensors"
image_size = 32

[data]
train = "images"
test = "validation"

[relabel]
batch_size = 4

[train]
model = "convnet"
epochs = 1

[grid]
codec = ["dense", "topk:k=2"]
"""


@pytest.fixture(scope="session")
def encoded(tmp_path_factory) -> Path:
    """A folder with the fixture encoded in full (labels.slc) and as its top 10 (small.slc)."""
    folder = tmp_path_factory.mktemp("encoded")
    assert run(cli, ["encode", str(FIXTURE), str(folder / "labels.slc")]) == 0
    top = ["encode", str(FIXTURE), str(folder / "small.slc"), "--codec", "topk:k=10"]
    assert run(cli, top) == 0
    return folder


@pytest.fixture
def workplace(tmp_path, monkeypatch, encoded) -> Path:
    """The current directory: dump/, labels.slc, small.slc, two shards, and labels of tokens."""
    import labelcodec

    monkeypatch.chdir(tmp_path)
    shutil.copytree(FIXTURE, "dump")
    for name in ("labels.slc", "small.slc"):
        shutil.copy(encoded / name, name)
    with labelcodec.open("labels.slc") as reader:
        for i, batch in enumerate(reader):
            with labelcodec.Writer(f"shard-{i}.slc", reader.header, "dense") as writer:
                writer.add(batch)
    np.savez("logits.npz", **columns())
    labelcodec.encode("logits.npz", "tokens.slc", classes=151_936)
    row = {name: [columns()[name].tolist()] for name in ("index", "value")}
    pq.write_table(pa.table({"token_ids": row["index"], "logits": row["value"]}), "teacher.parquet")
    return tmp_path


@pytest.fixture
def schoolroom(tmp_path, monkeypatch) -> Path:
    """The current directory: images/, validation/ and the teachers that the help speaks of."""
    import torch
    from safetensors.torch import save_file

    from labelcodec.pipeline.models import build

    monkeypatch.chdir(tmp_path)
    scene.images(Path("images"), count=8, classes=4, side=32)
    scene.images(Path("validation"), count=4, classes=4, seed=1, side=32)
    sources.npz(Path("images"), Path("tensors")).rename("images.npz")
    torch.manual_seed(0)
    save_file(build("resnet20", 4).state_dict(), "resnet20.safetensors")
    Path("my").mkdir()
    Path("my/models.py").write_text(MODELS)
    with pytest.warns((DeprecationWarning, FutureWarning), match=r"torch\.jit\.script"):
        torch.jit.script(build("convnet", 4)).save("model.pt")
    Path("mine.toml").write_text(STUDY)
    return tmp_path
