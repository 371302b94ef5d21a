"""The loops in examples/ train on recorded batches, in the order of `BatchOrder`."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch

from labelcodec.replay import BatchOrder, ReplayDataset

ROOT = Path(__file__).parents[1]
LOOPS = ROOT / "examples/loops"
LABELS, IMAGES = (str(ROOT / "examples/cifar10-ipc10" / name) for name in ("labels.slc", "images"))
BATCHES = 6  # an epoch


def example(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """An example, with shorter epochs."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", LOOPS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "BatchOrder", partial(BatchOrder, per_epoch=BATCHES))
    return module


@pytest.fixture
def seen(monkeypatch) -> list[int]:
    """Positions of the batches that are finished."""
    positions, finish = [], ReplayDataset.finish

    def recording(self, batch, device="cpu"):
        positions.append(batch.position)
        return finish(self, batch, device)

    monkeypatch.setattr(ReplayDataset, "finish", recording)
    return positions


def due(epochs: range, seed: int = 0) -> list[int]:
    order = BatchOrder(len(ReplayDataset(LABELS, IMAGES)), per_epoch=BATCHES, seed=seed)
    positions = []
    for epoch in epochs:
        order.set_epoch(epoch)
        positions += order
    return positions


class Stopped(Exception):
    pass


@pytest.fixture
def one_thread() -> Iterator[None]:
    """On several, the same network may end with other last bits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
class TestPyTorch:
    def weights(self, loop: ModuleType, checkpoint: Path, epochs: int = 2) -> list[torch.Tensor]:
        torch.manual_seed(0)
        student = loop.train(LABELS, IMAGES, checkpoint, epochs)
        return list(student.state_dict().values())

    def test_an_interrupted_run_ends_as_another(self, tmp_path, monkeypatch, capsys) -> None:
        loop = example("pytorch_loop", monkeypatch)
        expected = self.weights(loop, tmp_path / "whole.pt")
        printed = capsys.readouterr().out
        losses = [float(loss) for loss in re.findall(r"epoch \d: loss (\S+)", printed)]
        assert len(losses) == 2 and losses[1] < losses[0]
        kl, steps = loop.losses.kl, iter(range(9))

        def stopping(*arguments: Any) -> torch.Tensor:
            if next(steps, None) is None:
                raise Stopped
            return kl(*arguments)

        monkeypatch.setattr(loop, "SAVE_EVERY", 2)
        monkeypatch.setattr(loop, "losses", SimpleNamespace(kl=stopping))
        with pytest.raises(Stopped):
            self.weights(loop, tmp_path / "stopped.pt")
        monkeypatch.setattr(loop, "losses", SimpleNamespace(kl=kl))
        resumed = self.weights(loop, tmp_path / "stopped.pt")
        assert all(map(torch.equal, resumed, expected))

    def test_a_finished_run_is_not_trained_further(self, tmp_path, monkeypatch, seen) -> None:
        loop = example("pytorch_loop", monkeypatch)
        self.weights(loop, tmp_path / "student.pt", epochs=1)
        assert sorted(seen) == sorted(due(range(1)))
        self.weights(loop, tmp_path / "student.pt", epochs=1)
        assert len(seen) == BATCHES


@pytest.mark.filterwarnings("ignore")  # the library's own, about other libraries
def test_lightning(tmp_path, monkeypatch, seen) -> None:
    pytest.importorskip("lightning")
    loop = example("lightning_loop", monkeypatch)
    trainer = loop.trainer_of(
        2, accelerator="cpu", logger=False, default_root_dir=tmp_path, enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(loop.Distillation(LABELS, IMAGES, workers=0))
    assert seen == due(range(2))
    assert 0 < trainer.callback_metrics["loss_epoch"] < 1


@pytest.mark.filterwarnings("ignore")
def test_hugging_face(tmp_path, monkeypatch, seen) -> None:
    pytest.importorskip("accelerate")
    pytest.importorskip("transformers")
    loop = example("hf_trainer", monkeypatch)

    def run(epochs: int, checkpoint: str | None = None) -> list[dict[str, float]]:
        arguments = loop.arguments_for(str(tmp_path), epochs, use_cpu=True, disable_tqdm=True)
        trainer = loop.DistillationTrainer(LABELS, IMAGES, arguments)
        trainer.train(resume_from_checkpoint=checkpoint)
        return [line for line in trainer.state.log_history if "loss" in line]

    whole = run(2)
    assert [line["step"] for line in whole] == [BATCHES, 2 * BATCHES]
    assert sorted(seen) == sorted(due(range(2), seed=42))
    seen.clear()
    resumed = run(2, str(tmp_path / f"checkpoint-{BATCHES}"))
    assert sorted(seen) == sorted(due(range(1, 2), seed=42))
    assert resumed[-1]["loss"] == whole[-1]["loss"]


# What timm's train script does with its loader and loss; the script is not part of its package.
SCRIPT = """
import json, sys
import timm.data, timm.loss
import torch
from timm.data import create_loader
from timm.loss import LabelSmoothingCrossEntropy

options = {"mean": tuple(json.loads(sys.argv[1])), "std": (0.229, 0.224, 0.225)}
device = torch.device("cpu")
loader = create_loader("training set", is_training=True, device=device, **options)
other = create_loader("validation set", device=device, **options)
criterion = LabelSmoothingCrossEntropy(smoothing=0.1).to(device=device)
student = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3072, 10))
done = []
for epoch in range(2):
    assert not any(hasattr(o, "set_epoch") for o in (loader.dataset, loader.batch_sampler))
    loader.sampler.set_epoch(epoch)
    for index, (input, target) in enumerate(loader):
        loss = criterion(student(input), target)
        loss.backward()
        done.append(input.size(0))
    assert index == len(loader) - 1
timm.result = done, other
"""


def test_timm(tmp_path, monkeypatch, seen) -> None:
    timm, data, loss = (ModuleType(name) for name in ("timm", "timm.data", "timm.loss"))
    data.create_loader = lambda dataset, **options: (dataset, options)
    loss.LabelSmoothingCrossEntropy = None
    timm.data, timm.loss = data, loss
    for module in (timm, data, loss):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    loop = example("timm_train", monkeypatch)
    loop.main(LABELS, IMAGES, str(script), "[0.485, 0.456, 0.406]")
    assert timm.result[0] == [20] * 2 * BATCHES
    assert timm.result[1][0] == "validation set"
    assert sorted(seen) == sorted(due(range(2)))
    with pytest.raises(SystemExit, match=r"pass --mean 0\.485 0\.456 0\.406"):
        loop.main(LABELS, IMAGES, str(script), "[0.5, 0.5, 0.5]")


def test_the_page_lists_every_loop() -> None:
    page = (ROOT / "docs" / "loops.md").read_text()
    listed = set(re.findall(r"\(\.\./examples/loops/(\w+)\.py\)", page))
    assert listed == {path.stem for path in LOOPS.glob("*.py")}
