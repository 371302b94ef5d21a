"""What each page finds in its folder: small data of the kind that its readers have."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import labelcodec
from benchmarks.efficientnet_lite import lite0
from labelcodec.pipeline.models import build
from labelcodec.pipeline.networks import CifarResNet
from tests.cli.call import FIXTURE
from tests.pages import elsewhere, peers
from tests.pages.blocks import ROOT
from tests.pages.room import Room
from tests.pipeline import scene
from tests.replay import scene as replayed

CIFAR = ROOT / "examples/cifar10-ipc10"


def nothing(room: Room) -> None:
    """The page makes what it needs."""


def started(room: Room) -> None:
    """The page makes what it needs: a teacher that knows its classes, and a trained student."""

    def after() -> None:
        (made,) = (done for name, done in room.outcomes.items() if name.startswith("relabel"))
        assert "96 labels in 12 batches" in made.out and "near chance" not in made.err
        assert Image.open("sheet.png").width > 100
        assert float(room.names["loss"].detach()) < 2

    room.after = after


def of_tokens(room: Room) -> None:
    """The page makes what it needs: two files of the same texts, and a gradient."""

    def after() -> None:
        with labelcodec.open("tokens.slc") as every, labelcodec.open("sampled.slc") as sampled:
            assert int(every.index.samples.sum()) == int(sampled.index.samples.sum()) == 200
            assert sampled.header.kind == "tokens"
            assert (sampled[1].sequences.digest == every[1].sequences.digest).all()
        assert room.names["head"].weight.grad.abs().sum() > 0

    room.after = after


def readme(room: Room) -> None:
    """A dump of real labels, a small image for each of its 1000, and timm."""
    shutil.copytree(FIXTURE, "path/to/dump")
    for number in range(1000):
        folder = Path(f"path/to/images/{number:04}")
        folder.mkdir(parents=True)
        Image.new("RGB", (16, 16), (number % 256, number // 4, 90)).save(folder / "0.png")
    models_of(room, "timm")
    save_file(resnet8(1000).state_dict(), "w.safetensors")
    room.stand_ins |= {
        "'.[": "'labelcodec[",  # which is there already
        "pip install . ": "pip install labelcodec ",
        "vq:bytes=8": "vq:codes=2",  # 256 labels cannot meet it
        "relabel path": "relabel --epochs 2 --keep 0.3 --batch-size 50 path",
        "project path": "project --steps 2 path",
        "reader[3]": "reader[1]",  # of two batches
    }


def resnet8(classes: int) -> nn.Module:
    """A small network with the interface of a large one."""
    return CifarResNet(1, classes)


def models_of(room: Room, library: str) -> None:
    """timm or torchvision, every network of which is small."""
    package, models = ModuleType(library), ModuleType(f"{library}.models")
    package.__spec__ = ModuleSpec(library, None)
    package.create_model = lambda name, num_classes: resnet8(num_classes)
    models.get_model = lambda name, weights, num_classes: resnet8(num_classes)
    preset = SimpleNamespace(
        mean=[0.5] * 3, std=[0.5] * 3, interpolation=SimpleNamespace(value="bilinear"),
        crop_size=[32],
    )  # fmt: skip
    default = SimpleNamespace(DEFAULT=SimpleNamespace(transforms=lambda: preset))
    models.get_model_weights = lambda name: default
    room.monkeypatch.setitem(sys.modules, library, package)
    room.monkeypatch.setitem(sys.modules, models.__name__, models)


def dumped(room: Room) -> None:
    """A dump of real labels of ImageNet-1K."""
    shutil.copytree(FIXTURE, "dump")
    shutil.copy(FIXTURE / "image_order.json", ".")


def converted(room: Room) -> None:
    """A dump, for one machine, then for a job of an array, then for torchrun."""
    dumped(room)
    room.environment |= {"SLURM_ARRAY_TASK_ID": "1", "HOST": "localhost:0"}
    room.stand_ins |= {
        "/64 ": "/2 ",
        "--nnodes 8 --nproc-per-node 4": "--nnodes 1 --nproc-per-node 2",
    }
    room.alternatives = ("many*",)


def shrunk(room: Room) -> None:
    """Full labels of few classes, which a lossy codec is fitted to in a moment."""
    rng = np.random.default_rng(0)
    header = labelcodec.Header(classes=12, license="CC0-1.0")
    with labelcodec.Writer("labels.slc", header, "dense") as writer:
        for number in range(4):
            logits = (rng.normal(size=(64, 3)) @ rng.normal(size=(3, 12))).astype(np.float16)
            labels = labelcodec.Labels(12, logits)
            augmentation = labelcodec.Augmentation()
            writer.add(labelcodec.LabelBatch(number, 0, np.arange(64), augmentation, labels))
    shutil.copy("labels.slc", "full.slc")


def more_labels(room: Room) -> None:
    """As `shrunk`, and others like them."""
    shrunk(room)
    shutil.copy("labels.slc", "more.slc")
    # of 256 labels, no codebook of 1024 can be trained
    room.stand_ins["autoencoder,codes=16"] = "autoencoder,codes=2,codewords=16,hidden=8,width=4"


def published(room: Room) -> None:
    """Labels to publish, an archive of somebody else's, and the Hub."""
    shrunk(room)
    dumped(room)
    shutil.make_archive("theirs", "gztar", "dump")
    shutil.rmtree("dump")
    elsewhere.the_hub(room)


def remote(room: Room) -> None:
    """Labels on a web server."""
    labelcodec.encode(FIXTURE, "labels.slc")
    elsewhere.a_web_server(room, Path("labels.slc"))

    def after() -> None:
        assert room.names["batch"].number == room.names["same"][0].number == 0
        assert list(Path("cache").glob("*/*.blocks")) and Path("copy").is_dir()

    room.after = after


def recorded(room: Room) -> None:
    """Labels and their images, and a student."""
    replayed.folder(Path("images"))
    replayed.write(Path("labels.slc"), [replayed.batch(i, range(i + 1)) for i in range(5)])
    labelcodec.recode("labels.slc", "tiny.slc", "transform:rank=2,step=1,peaks=1")
    inputs = 3 * replayed.SIDE**2
    student = nn.Sequential(nn.Flatten(), nn.Linear(inputs, replayed.CLASSES))
    room.names |= {"device": "cpu", "epochs": 1, "resume": False, "student": student}

    def after() -> None:
        assert room.names["logits"].shape == (128, 1000)
        assert float(room.names["loss"].detach()) > 0
        with labelcodec.open("all.slc") as whole:
            assert whole.index.number.tolist() == [*range(8)]

    room.after = after


def distilled(room: Room) -> None:
    """The distilled set of the examples, with the first of its batches."""
    Path("images").symlink_to(CIFAR / "images")
    few_batches(Path("labels.slc"))


def trained(room: Room) -> None:
    """The distilled set; the page's recipe trains for two epochs."""
    distilled(room)

    def after() -> None:
        batch = room.names["batch"]
        assert (batch.images.shape[1:], batch.labels.classes) == ((3, 32, 32), 10)
        lines = room.capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == ["0", "1"]

    room.after = after


def few_batches(target: Path) -> None:
    with (
        labelcodec.open(CIFAR / "labels.slc") as reader,
        labelcodec.Writer(target, reader.header, "dense", force=True) as writer,
    ):
        for batch in reader[:6]:
            writer.add(batch)


def examples(room: Room) -> None:
    """The examples, whose loops are short, and the names of timm's."""
    shutil.copytree(ROOT / "examples", "examples", ignore=shutil.ignore_patterns("__pycache__"))
    few_batches(Path("examples/cifar10-ipc10/labels.slc"))
    room.stand_ins["student.pt 20"] = "student.pt 1"
    room.names |= peers.loop_of_timm(room) | {"device": torch.device("cpu")}
    distilled(room)


def taught(room: Room, network: str, weights: str) -> None:
    """Images to train and to test on, and a teacher."""
    scene.images(Path("train"), count=16, classes=4, side=32)
    scene.images(Path("test"), count=8, classes=4, seed=1, side=32)
    Path("validation").symlink_to("test")
    torch.manual_seed(0)
    save_file(build(network, 4).state_dict(), weights)


def piped(room: Room) -> None:
    """What the five commands start from; the study is its smallest share."""
    taught(room, "resnet56", "w.safetensors")
    studied(room)
    room.stand_ins |= {
        "recover stats": "recover --ipc 2 --iterations 2 stats",
        "relabel images": "relabel --epochs 2 images",
        "train labels.slc": "train --set epochs=2 labels.slc",
    }

    def trained(text: str) -> None:
        Path("own.toml").write_text(text)
        arguments = ("labels.slc", "images", "own", "--recipe", "own.toml", "--set", "epochs=4")
        room.program(["train", *arguments])

    room.take_toml = trained


def studied(room: Room) -> None:
    """Images and a teacher; a cell of the study is computed, and all of one's own are planned."""
    if not Path("train").exists():
        taught(room, "resnet20", "resnet20.safetensors")
    else:
        save_file(build("resnet20", 4).state_dict(), "resnet20.safetensors")
    small = "--only 1/40 --set recover.iterations=1 --set recover.ipc=2 --set train.epochs=1"
    room.stand_ins["--plot ablation.png"] = f"--plot ablation.png {small}"
    models_of(room, "torchvision")
    torch.save(resnet8(4).state_dict(), "resnet18.pth")

    def planned(text: str) -> None:
        Path("own.toml").write_text(text)
        room.program(["study", "own.toml", "own", "--dry-run"])

    room.take_toml = planned


def projected(room: Room) -> None:
    """Images, labels of them whose augmentation is drawn, and an encoder of torchvision."""
    models_of(room, "torchvision")
    scene.images(Path("images"), count=8, classes=4, side=32)
    torch.manual_seed(0)
    torch.save(resnet8(4).state_dict(), "resnet18.pth")
    teacher = ("--teacher", "torchvision/resnet18", "--weights", "resnet18.pth")
    room.program(
        ["relabel", "images", "labels.slc", *teacher, "--epochs", "5", "--batch-size", "4"]
    )
    room.stand_ins |= {
        "project images": "project --steps 2 --encoder-classes 4 images",
        "train tiny.slc": "train --set model=convnet --set epochs=1 tiny.slc",
        "k=50": "k=2",  # of four classes
    }


def cifar(room: Room) -> None:
    """What the distilled set of the examples was made from, of four classes."""
    taught(room, "resnet20", "resnet20-cifar10.safetensors")
    room.stand_ins |= {
        "--iterations 1000": "--iterations 1",
        "--ipc 10": "--ipc 2",
        "--epochs 300": "--epochs 10",
        "--batch-size 20": "--batch-size 4",
        "epochs=300": "epochs=1",
    }


def benchmarked(room: Room) -> None:
    """Images of one class for the teacher of the benchmarks."""
    Path("benchmarks").symlink_to(ROOT / "benchmarks")
    scene.images(Path("in1k-images"), count=2, classes=2, side=64)
    torch.manual_seed(0)
    save_file(lite0(2).state_dict(), "efficientnet_lite0-in1k.safetensors")
    room.stand_ins |= {
        "289:293": "0:1",
        "--iterations 400": "--iterations 1",
        "squeeze in1k": "squeeze --image-size 64 in1k",
    }


def shells(room: Room) -> None:
    """zsh and fish are not everywhere: what they would be told is printed."""
    room.stand_ins |= {
        'eval "$(_LABELCODEC_COMPLETE=zsh_source labelcodec)"': (
            "_LABELCODEC_COMPLETE=zsh_source labelcodec | grep -q compdef"
        ),
        "| source ": "| grep -q 'complete .*labelcodec'",
    }


def golden(room: Room) -> None:
    """The golden files, where they are in the repository, and the JavaScript reader."""
    Path("spec").symlink_to(ROOT / "spec")
    shutil.copytree(ROOT / "examples", "examples", ignore=shutil.ignore_patterns("__pycache__"))
    elsewhere.one_page_of_a_server(room)


ROOMS: dict[str, Callable[[Room], None]] = {
    "README.md": readme,
    "docs/benchmarks.md": benchmarked,
    "docs/choosing.md": shrunk,
    "docs/commands.md": shells,
    "docs/convert.md": converted,
    "docs/index.md": shrunk,
    "docs/layouts.md": peers.layouts,
    "docs/loops.md": examples,
    "docs/pipeline.md": piped,
    "docs/planning.md": nothing,
    "docs/projector.md": projected,
    "docs/publishing.md": published,
    "docs/python.md": recorded,
    "docs/readers.md": golden,
    "docs/remote.md": remote,
    "docs/start.md": started,
    "docs/studies.md": studied,
    "docs/tokens.md": of_tokens,
    "docs/training.md": trained,
    "docs/vq.md": more_labels,
    "examples/cifar10-ipc10/README.md": cifar,
    "examples/javascript/README.md": golden,
}
