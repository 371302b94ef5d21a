"""What the examples of each module's docstrings find: names, and small data."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader

import labelcodec
from labelcodec import Header, Labels, losses, pipeline
from labelcodec.pipeline.models import build
from labelcodec.pipeline.projection.adapting import AdaptSettings
from labelcodec.pipeline.training_recipe import TrainingRecipe
from labelcodec.replay import BatchOrder, ReplayDataset
from labelcodec.replay.soft_labels import to_tensors
from tests.cli.call import FIXTURE
from tests.pages.room import Room
from tests.pages.rooms import distilled, models_of, resnet8
from tests.pipeline import scene


def labelled(room: Room) -> None:
    """A dump of real labels and its container, and a damaged one, shards and images."""
    shutil.copytree(FIXTURE, "dump")
    labelcodec.encode("dump", "labels.slc")
    Path("damaged.slc").write_bytes(Path("labels.slc").read_bytes()[:-100])
    with labelcodec.open("labels.slc") as reader:
        room.names |= {"batch": reader[0], "labelcodec": labelcodec, "Header": Header}
        for name, batch in zip("ab", reader, strict=True):
            with labelcodec.Writer(f"{name}.slc", reader.header, "dense") as writer:
                writer.add(batch)


def whole_library(room: Room) -> None:
    labelled(room)
    room.stand_ins['"transform:bytes=30")'] = '"transform:bytes=30", force=True)'


def of_images(room: Room) -> None:
    labelled(room)
    scene.images(Path("images"), count=1000, classes=1000)


def to_be_written(room: Room) -> None:
    labelled(room)
    room.names["batches"] = [room.names["batch"]]
    Path("labels.slc").unlink()


def token_labels(room: Room) -> None:
    index = np.argsort(np.random.default_rng(0).random((3, 50)), axis=1)[:, :20]
    room.names |= {"logits": -np.sort(index).astype(np.float16), "index": index}


def student_of_images(room: Room) -> None:
    """A batch of images, and a student."""
    distilled(room)
    dataset = ReplayDataset("labels.slc", "images")
    batch = dataset[0]
    batch = SimpleNamespace(images=batch.images, labels=dataset.finish(batch, "cpu").labels)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 10))
    room.names |= {"losses": losses, "batch": batch, "model": model}


def student_of_texts(room: Room) -> None:
    """A batch of texts, and a student with a backbone and a head."""
    model = nn.Module()
    model.backbone, model.head = nn.Embedding(40, 8), nn.Linear(8, 40)
    logits = np.random.default_rng(0).normal(size=(6, 40)).astype(np.float32)
    labels = to_tensors(Labels(40, logits, precision="float32"))
    tokens, predictor = torch.arange(8).reshape(2, 4), torch.tensor([0, 1, 2, 4, 5, 6])
    batch = SimpleNamespace(tokens=tokens, predictor=predictor, labels=labels)
    room.names |= {"losses": losses, "model": model, "batch": batch}


def loading(room: Room) -> None:
    distilled(room)
    dataset = ReplayDataset("labels.slc", "images")
    room.names |= {"ReplayDataset": ReplayDataset, "BatchOrder": BatchOrder}
    room.names |= {"DataLoader": DataLoader, "dataset": dataset}


def several_epochs(room: Room) -> None:
    loading(room)
    room.stand_ins["epoch, 10"] = "epoch, 2"


def on_a_device(room: Room) -> None:
    several_epochs(room)
    room.stand_ins['"cuda"'] = '"cpu"'


def taught(room: Room) -> None:
    """Images, and teachers and encoders of four classes."""
    scene.images(Path("images"), count=16, classes=4, side=32)
    scene.images(Path("validation"), count=8, classes=4, seed=1, side=32)
    torch.manual_seed(0)
    save_file(build("resnet56", 4).state_dict(), "w.safetensors")
    save_file(build("resnet20", 4).state_dict(), "resnet20.safetensors")
    torch.save(resnet8(4).state_dict(), "resnet18.pth")
    torch.save(resnet8(1000).state_dict(), "r.pth")
    models_of(room, "torchvision")
    models_of(room, "timm")
    room.names |= {
        "Settings": AdaptSettings(steps=2),
        "Recipe": TrainingRecipe("resnet20", epochs=1),
    }


def whole_pipeline(room: Room) -> None:
    taught(room)
    room.names |= {name: getattr(pipeline, name) for name in pipeline.__all__}
    room.stand_ins |= FEWER | {
        '"r.pth"': '"r.pth", settings=Settings',
        '{"teacher.weights"': '{"recover.iterations": 1, "train.epochs": 1, "teacher.weights"',
        '"cifar10"': "Recipe",
        'study, "out"': 'study, "out", only=(1, 40)',
    }

    def after() -> None:
        assert '"top1"' in Path("out/ablation-cifar10.jsonl").read_text()

    room.after = after


def recovering(room: Room) -> None:
    taught(room)
    network = {"weights": "w.safetensors", "image_size": 32}
    pipeline.squeeze("images", "stats.safetensors", "resnet56", **network)
    room.stand_ins["ipc=10"] = FEWER["ipc=10"]


def by_recipe(room: Room) -> None:
    taught(room)
    network = {"weights": "resnet18.pth", "image_size": 32}
    pipeline.squeeze("images", "stats.safetensors", "torchvision/resnet18", **network)
    Path("images").rename("train")
    room.names["recover"] = pipeline.recover
    room.stand_ins["**settings"] = '**settings | {"ipc": 2, "iterations": 2}'


def relabelling(room: Room) -> None:
    taught(room)
    room.stand_ins['"resnet56", '] = FEWER['"labels.slc", "resnet56", '].partition(", ")[2]


def projecting(room: Room) -> None:
    taught(room)
    drawn = {"epochs": 5, "batch_size": 4, "weights": "resnet18.pth", "image_size": 32}
    pipeline.relabel("images", "labels.slc", "torchvision/resnet18", **drawn)
    room.stand_ins['"resnet18.pth"'] = '"resnet18.pth", encoder_classes=4, settings=Settings'


def materialising(room: Room) -> None:
    projecting(room)
    encoder = {"encoder_weights": "resnet18.pth", "encoder_classes": 4}
    few = {"settings": AdaptSettings(steps=2)}
    pipeline.project("labels.slc", "tiny.slc", "images", "torchvision/resnet18", **encoder, **few)
    room.stand_ins = {"topk:k=50": "topk:k=2"}


def from_teacher(room: Room) -> None:
    taught(room)
    save_file(resnet8(1000).state_dict(), "vit.safetensors")
    few = "epochs=5, batch_size=4, image_size=32, settings=Settings"
    room.stand_ins['"vit.safetensors"'] = f'"vit.safetensors", {few}'


FEWER = {
    "ipc=10": "ipc=2, iterations=2",
    '"labels.slc", "resnet56", ': '"labels.slc", "resnet56", epochs=5, batch_size=2, ',
}
ROOMS: dict[str, Callable[[Room], None]] = {
    "labelcodec/__init__.py": whole_library,
    "labelcodec/annotation.py": of_images,
    "labelcodec/kept_counts.py": token_labels,
    "labelcodec/losses/__init__.py": student_of_images,
    "labelcodec/losses/chunks.py": student_of_texts,
    "labelcodec/losses/divergence.py": student_of_images,
    "labelcodec/pipeline/__init__.py": whole_pipeline,
    "labelcodec/pipeline/projection/from_teacher.py": from_teacher,
    "labelcodec/pipeline/projection/materialising.py": materialising,
    "labelcodec/pipeline/projection/projecting.py": projecting,
    "labelcodec/pipeline/recovery/recovering.py": recovering,
    "labelcodec/pipeline/relabelling.py": relabelling,
    "labelcodec/pipeline/stage_recipe.py": by_recipe,
    "labelcodec/reader.py": labelled,
    "labelcodec/replay/__init__.py": loading,
    "labelcodec/replay/batch_order.py": several_epochs,
    "labelcodec/replay/resident.py": on_a_device,
    "labelcodec/writer.py": to_be_written,
}
