"""Exactness of squeeze, and cost and memory of recover, on real teachers.

python benchmarks/recovery.py            # minutes on two cores
python benchmarks/recovery.py --rounds 3 # fewer rounds of the timings

Writes results/recovery.json and tables of docs/benchmarks.md.

- Exactness: statistics of ResNet-20 over CIFAR-10's 3000 test images, against a direct computation
  in float64 over all inputs of each layer; two merged halves against one pass.
- Cost: seconds of an iteration of recover over those of a plain forward and backward pass of the
  same teacher on the same images, in turns.
- Memory: what a device holds of the statistics. LPLD's code keeps those of all classes as buffers
  of the network; recover keeps those of the class in hand.
"""

from __future__ import annotations

import statistics as summary
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import torch.nn.functional as F
from common import machine, markdown, paired, require_data, save, where, write_report
from efficientnet_lite import NORMALISATION, Lite0
from safetensors.torch import load_file
from torch import nn

from labelcodec.images import list_images
from labelcodec.pipeline.class_statistics import Moments, load_statistics
from labelcodec.pipeline.models import build
from labelcodec.pipeline.norm_layers import LayerInputs, norm_layers
from labelcodec.pipeline.recovery.jobs import Job
from labelcodec.pipeline.recovery.norm_targets import network_targets
from labelcodec.pipeline.recovery.objective import Objective
from labelcodec.pipeline.recovery.pixels import valid_range
from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.recovery.synthesis import frozen, synthesise
from labelcodec.pipeline.squeezing import squeeze
from labelcodec.pipeline.teacher import load_teacher
from labelcodec.replay.image_source import ImageFiles
from labelcodec.replay.normalisation import normalise

CPU = torch.device("cpu")
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
ITERATIONS = 4  # of a timed job
RESNET18 = (64,) * 5 + (128,) * 5 + (256,) * 5 + (512,) * 5  # channels of its BatchNorm layers


def cifar_teacher(name: str) -> nn.Module:
    weights = require_data(f"teachers/{name}-cifar10.safetensors")
    return build(name, 10, weights).eval()


def lite0() -> nn.Module:
    model = Lite0()
    model.load_state_dict(load_file(require_data("teachers/efficientnet_lite0-in1k.safetensors")))
    return model.eval()


@torch.inference_mode()
def exactness(folder: Path, work: Path) -> dict[str, float]:
    """Largest relative differences of means and variances."""
    model, listing = cifar_teacher("resnet20"), list_images(folder)
    options: dict[str, Any] = {"image_size": 32, "normalisation": IMAGENET, "scale": None}
    squeeze(folder, work / "stats", model, flip=0, batch_size=250, device="cpu", **options)
    stored, files = load_statistics(work / "stats"), ImageFiles(listing)
    inputs = LayerInputs(norm_layers(model, "resnet20"), "resnet20")
    worst = {"mean": 0.0, "variance": 0.0, "halves": 0.0}
    for own in range(10):
        index = np.flatnonzero(listing.class_index == own)
        levels = torch.stack(
            [torch.from_numpy(np.array(files.image(int(i)))).permute(2, 0, 1) for i in index]
        )
        with inputs.collected(lambda _, values: values.clone()) as of_layer:
            model(normalise(levels, IMAGENET))
        for name, values in of_layer.items():
            channels = values.double().transpose(0, 1).flatten(1)
            scale = channels.square().mean(1).sqrt()
            layer = stored.layers[name]
            mean = (torch.from_numpy(layer.mean[own]) - channels.mean(1)).abs() / scale
            direct = channels.var(1, unbiased=False)
            variance = (torch.from_numpy(layer.variance[own]) - direct).abs() / direct
            worst["mean"] = max(worst["mean"], float(mean.max()))
            worst["variance"] = max(worst["variance"], float(variance.max()))
            classes = torch.zeros(len(values), dtype=torch.int64)
            whole, left, right = (Moments.empty(1, values.shape[1]) for _ in range(3))
            half = len(values) // 2
            whole.add(values, classes)
            left.add(values[:half], classes[:half])
            right.add(values[half:], classes[half:])
            left.merge(right)
            for one_pass, merged in zip(whole.tensors(), left.tensors(), strict=True):
                off = (one_pass - merged).abs().max() / one_pass.abs().max()
                worst["halves"] = max(worst["halves"], float(off))
    return worst


def cost(model: nn.Module, classes: int, side: int, count: int, rounds: int) -> dict[str, float]:
    """Seconds per iteration of recover and of a plain pass, and their ratio."""
    teacher = load_teacher(
        model, None, classes, CPU, normalisation=NORMALISATION, autocast=None, precision="float32"
    )
    settings = RecoverySettings(method="sre2l", ipc=count, iterations=ITERATIONS)
    objective = Objective(teacher, LayerInputs(norm_layers(model, "it"), "it"), settings)
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, side, side, generator=generator)
    images = images.contiguous(memory_format=torch.channels_last)
    job = Job((0,), tuple(i % classes for i in range(count)), tuple(range(count)))
    targets = network_targets(model, objective.layers(images[:1]), "it", CPU)
    limits = valid_range(NORMALISATION, CPU)

    def recovered() -> None:
        synthesise(images, job, objective, targets, limits, settings, lambda done, loss: None)

    def plain() -> None:
        leaf = images.clone().requires_grad_()
        for _ in range(ITERATIONS):
            leaf.grad = None
            F.cross_entropy(model(leaf), torch.tensor(job.classes)).backward()

    with frozen(model):
        times = paired({"recover": recovered, "plain": plain}, rounds)
    seconds = {name: summary.median(each) / ITERATIONS for name, each in times.items()}
    pairs = zip(times["recover"], times["plain"], strict=True)
    return {**seconds, "ratio": summary.median(own / other for own, other in pairs)}


def memory(channels: tuple[int, ...], classes: int) -> dict[str, int]:
    """Bytes of float32 statistics on a device."""
    row = 2 * 4 * sum(channels)
    return {"lpld": classes * row, "recover": row}


def costs(rounds: int) -> dict[str, dict[str, float]]:
    jobs: dict[str, Callable[[], dict[str, float]]] = {
        "ResNet-20, 10 images of 32 x 32": lambda: cost(
            cifar_teacher("resnet20"), 10, 32, 10, rounds
        ),
        "ResNet-20, 100 images of 32 x 32": lambda: cost(
            cifar_teacher("resnet20"), 10, 32, 100, rounds
        ),
        "ResNet-56, 10 images of 32 x 32": lambda: cost(
            cifar_teacher("resnet56"), 10, 32, 10, rounds
        ),
        "EfficientNet-Lite0, 2 images of 224 x 224": lambda: cost(lite0(), 1000, 224, 2, rounds),
        "EfficientNet-Lite0, 10 images of 224 x 224": lambda: cost(lite0(), 1000, 224, 10, rounds),
    }
    return {name: job() for name, job in jobs.items()}


@click.command()
@click.option("--rounds", default=9, show_default=True, help="Rounds of the timings.")
def main(rounds: int) -> None:
    """Measure, print and save."""
    torch.set_num_threads(1)
    used = machine()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with zipfile.ZipFile(require_data("cifar10.zip")) as archive:
            archive.extractall(work)
        exact = exactness(work / "test", work)
    lite_channels = tuple(each.num_features for each in norm_layers(lite0(), "lite0").values())
    held = {
        "ResNet-18, 1000 classes": memory(RESNET18, 1000),
        "ResNet-18, 10 450 classes": memory(RESNET18, 10_450),
        "EfficientNet-Lite0, 1000 classes": memory(lite_channels, 1000),
    }
    measured = costs(rounds)
    save("recovery", {"machine": used, "exactness": exact, "cost": measured, "memory": held})
    rows = [
        [name, f"{1000 * each['plain']:.1f}", f"{1000 * each['recover']:.1f}",
         f"{each['ratio']:.2f}"]
        for name, each in measured.items()
    ]  # fmt: skip
    of_memory = [
        [name, f"{each['lpld'] / 1e6:.1f} MB", f"{each['recover'] / 1e3:.1f} kB"]
        for name, each in held.items()
    ]
    text = (
        f"Statistics of squeeze against a direct computation in float64: means differ by up to "
        f"{exact['mean']:.0e} of the layer's root mean square, variances by {exact['variance']:.0e}"
        f" (they are stored as float32); two merged halves differ from one pass by "
        f"{exact['halves']:.0e}.\n\n"
        "An iteration of recover (view, forward pass, both losses, backward pass, Adam) against a\n"
        "plain forward and backward pass of the teacher on the same images, one thread:\n\n"
        + markdown(["teacher and batch", "plain, ms", "recover, ms", "ratio"], rows)
        + "\n\nStatistics that the device holds:\n\n"
        + markdown(["network", "LPLD's code: all classes", "recover: the class in hand"], of_memory)
        + f"\n\nMeasured by `python benchmarks/recovery.py` on {where(used)}."
    )
    write_report("recovery", text)
    click.echo(text)


if __name__ == "__main__":
    main()
