"""Stand-ins of other projects' files and packages."""

from __future__ import annotations

import runpy
import shutil
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

import labelcodec
from tests.cli.call import FIXTURE
from tests.formats.token_sources import columns
from tests.pages.blocks import ROOT
from tests.pages.room import Room

MEGATRON = ROOT / "tests/data/megatron/nucleus"


def layouts(room: Room) -> None:
    """Labels of images, of tokens in three forms, and what MaxText's script imports."""
    shutil.copytree(FIXTURE, "dump")
    shutil.copytree(MEGATRON, "teacher_logprobs")
    arrays = columns()
    np.savez("teacher.npz", **arrays)
    table = {name: [arrays[old].tolist()] for name, old in (("ids", "index"), ("logits", "value"))}
    pq.write_table(pa.table(table), "teacher.parquet")
    room.alternatives = ("labels.slc",)
    room.monkeypatch.setitem(sys.modules, "tensorflow", SimpleNamespace(train=_Train))
    for name in ("array_record", "array_record.python"):
        room.monkeypatch.setitem(sys.modules, name, ModuleType(name))
    reader = SimpleNamespace(ArrayRecordReader=_Reader)
    room.monkeypatch.setitem(sys.modules, "array_record.python.array_record_module", reader)
    room.after = lambda: _is_as_documented(room)


def _is_as_documented(room: Room) -> None:
    """Labels of MaxText's script, and batches that the page writes, are read as they were."""
    room.program(["encode", "teacher.npz", "maxtext.slc", "--classes", "50"])
    with labelcodec.open("maxtext.slc") as reader:
        labels = reader[0].labels
    assert labels.index.tolist() == [[3, 1], [5, 2], [3, 1], [5, 2]]
    assert labels.value.tolist() == [[0.5, 0.25], [2.0, 1.0], [0.5, 0.25], [2.0, 1.0]]
    with labelcodec.open("mine.slc") as reader:
        batch = reader[5]
        assert (len(reader), batch.epoch, batch.image_index.tolist()) == (6, 2, [*range(32, 64)])
        mix, names = batch.augmentation.mix, room.names
        assert (mix.partner.tolist(), mix.box) == (names["partner"].tolist(), (4, 20, 8, 24))
        assert (batch.augmentation.crop.box == names["boxes"]).all()
        assert (batch.labels.value == names["logits"]).all()


class _Reader:
    """Two records of MaxText's, each of two tokens and two classes."""

    def __init__(self, path: str) -> None:
        assert path.endswith(".array_record")

    def num_records(self) -> int:
        return 2

    def read(self) -> bytes:
        return b"record"


class _Train:
    class Example:
        @staticmethod
        def FromString(record: bytes) -> Any:
            assert record == b"record"
            feature = {
                "inputs": SimpleNamespace(int64_list=SimpleNamespace(value=[7, 9])),
                "top_k_indices": SimpleNamespace(int64_list=SimpleNamespace(value=[3, 1, 5, 2])),
                "top_k_logits": SimpleNamespace(
                    float_list=SimpleNamespace(value=[0.5, 0.25, 2.0, 1.0])
                ),
            }
            return SimpleNamespace(features=SimpleNamespace(feature=feature))


def loop_of_timm(room: Room) -> dict[str, Any]:
    """The names of the loop for timm, without timm."""
    timm, data, loss = (ModuleType(name) for name in ("timm", "timm.data", "timm.loss"))
    data.create_loader = loss.LabelSmoothingCrossEntropy = None
    timm.data, timm.loss = data, loss
    for module in (timm, data, loss):
        room.monkeypatch.setitem(sys.modules, module.__name__, module)
    return runpy.run_path(str(ROOT / "examples/loops/timm_train.py"), run_name="example")
