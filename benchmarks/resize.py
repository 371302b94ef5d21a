"""Cropping and resizing beside Pillow's: values that differ, and speed.

python benchmarks/resize.py              # writes results/resize.json and docs/benchmarks.md
python benchmarks/resize.py --values 20  # millions of values to compare

Pillow 13 must be installed: older ones resize some crops in another order.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import click
import numpy as np
import PIL
import torch
from common import machine, markdown, paired, ratio, save, where, write_report
from numpy.typing import NDArray
from PIL import Image

from labelcodec.augmentation.crop import compiled, reference
from labelcodec.augmentation.crop.tensors import gathered_crops
from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.source_images import SourceImages

Levels = NDArray[np.uint8]
CALLS = 200  # a timing round
MOST_CASES = 4000  # of a kind: outputs of one pixel would take for ever
SIZES = {  # sides of an image and its crop, resized to 224 x 224
    "150 x 160 of 224 x 224": ((224, 224), (150, 160)),
    "350 x 400 of 375 x 500": ((375, 500), (350, 400)),
    "1000 x 1200 of 1200 x 1600": ((1200, 1600), (1000, 1200)),
}
# What the kernels are compared on: the ranges of the sides of images and outputs.
KINDS = {
    "any crops": (((1, 400), (1, 400)), ((1, 300), (1, 300))),
    "tall images": (((400, 4000), (1, 6)), ((1, 300), (1, 60))),
    "flat images": (((1, 6), (400, 4000)), ((1, 60), (1, 300))),
    "crops of one pixel": (((1, 300), (1, 300)), ((1, 300), (1, 300))),
    "to one pixel": (((1, 400), (1, 400)), ((1, 1), (1, 1))),
    "about half": (((20, 400), (20, 400)), ((10, 200), (10, 200))),
    "photographs to 224 x 224": (((200, 1500), (200, 1500)), ((224, 224), (224, 224))),
}
SHARES = {"compiled": 1.0, "NumPy": 0.05, "torch": 0.1}  # of the values that each is compared on


@dataclass(frozen=True)
class Case:
    """An image, a crop of it and what it is resized to."""

    image: Levels
    box: tuple[int, ...]
    size: tuple[int, int]
    interpolation: str


def cases(kind: str, seed: int) -> Iterator[Case]:
    """Random cases of a kind, without end; half of the images have only levels 0 and 255."""
    rng = np.random.default_rng(seed)
    sides_range, size_range = (np.array(ranges) for ranges in KINDS[kind])
    while True:
        sides = rng.integers(sides_range[:, 0], sides_range[:, 1] + 1)
        image = rng.integers(0, 256, (*sides, 3), np.uint8)
        if rng.random() < 0.5:
            image = (image > 127).astype(np.uint8) * 255
        for interpolation in ("bilinear", "bicubic"):
            extent = rng.integers(1, sides + 1) if rng.random() < 0.7 else sides
            if kind == "crops of one pixel":
                extent = np.ones(2, np.int64)
            box = *rng.integers(0, sides - extent + 1).tolist(), *extent.tolist()
            height, width = rng.integers(size_range[:, 0], size_range[:, 1] + 1).tolist()
            yield Case(image, box, (height, width), interpolation)


def by_pillow(case: Case) -> Levels:
    """As torchvision's `resized_crop` resizes a Pillow image."""
    top, left, rows, columns = case.box
    crop = Image.fromarray(case.image).crop((left, top, left + columns, top + rows))
    method = Image.Resampling[case.interpolation.upper()]
    return np.asarray(crop.resize(case.size[::-1], method))


def by_kernel(kernels: Any, case: Case) -> Levels:
    """As the compiled kernel or its NumPy reference."""
    out = np.empty((*case.size, 3), np.uint8)
    kernels.crop_resize(case.image, case.box, case.interpolation, False, out)
    return out


def by_torch(case: Case) -> Levels:
    """As torch's operations, which run where no kernel of ours does."""
    images = SourceImages.of(torch.from_numpy(case.image)[None])
    target = NetworkInput(case.size, case.interpolation)
    crop = gathered_crops(images, np.array([case.box]), np.zeros(1, bool), target)[0]
    return crop.permute(1, 2, 0).numpy()


WAYS: dict[str, Callable[[Case], Levels]] = {
    "compiled": partial(by_kernel, compiled),
    "NumPy": partial(by_kernel, reference),
    "torch": by_torch,
}


def differing(kind: str, values: float, seed: int) -> dict[str, Any]:
    """Values of a kind that were compared, by way, and how many were not Pillow's."""
    compared, differ = dict.fromkeys(WAYS, 0), dict.fromkeys(WAYS, 0)
    for case in islice(cases(kind, seed), MOST_CASES):
        due = [way for way in WAYS if compared[way] < SHARES[way] * values]
        if not due:
            break
        expected = by_pillow(case)
        for way in due:
            differ[way] += int((WAYS[way](case) != expected).sum())
            compared[way] += expected.size
    return {"values": compared, "differ": differ}


def repeated(resize: Callable[[Case], Levels], case: Case) -> Callable[[], None]:
    """A job that resizes the same crop many times."""

    def run() -> None:
        for _ in range(CALLS):
            resize(case)

    return run


def speed(rounds: int) -> dict[str, Any]:
    """Microseconds a crop, ours and Pillow's with the image and the result as arrays."""
    rng, rows = np.random.default_rng(0), {}
    for name, (sides, extent) in SIZES.items():
        image = rng.integers(0, 256, (*sides, 3), np.uint8)
        start = [(side - part) // 2 for side, part in zip(sides, extent, strict=True)]
        for interpolation in ("bilinear", "bicubic"):
            case = Case(image, (*start, *extent), (224, 224), interpolation)
            pillow = partial(pillow_alone, Image.fromarray(image))
            jobs = {
                "ours": repeated(WAYS["compiled"], case),
                "Pillow": repeated(pillow, case),
            }
            times = paired(jobs, rounds)
            rows[f"{name}, {interpolation}"] = {
                "microseconds": {way: 1e6 * min(spent) / CALLS for way, spent in times.items()},
                "times_pillow": ratio(times, "ours", "Pillow"),
            }
    return rows


def pillow_alone(image: Image.Image, case: Case) -> Levels:
    """Pillow's crop and resize of an image that it holds already, its result not copied."""
    top, left, rows, columns = case.box
    method = Image.Resampling[case.interpolation.upper()]
    crop = image.crop((left, top, left + columns, top + rows))
    crop.resize(case.size[::-1], method)
    return case.image


def report(result: dict[str, Any]) -> str:
    """The tables in docs/benchmarks.md."""
    total = {
        way: {
            what: sum(kind[what][way] for kind in result["agreement"].values())
            for what in ("values", "differ")
        }
        for way in WAYS
    }
    agreement = markdown(
        ["implementation", "values compared", "differ from Pillow's"],
        [
            [way, f"{count['values'] / 1e6:.1f} million", str(count["differ"])]
            for way, count in total.items()
        ],
    )
    timing = markdown(
        ["crop, to 224 x 224", "ours", "Pillow", "faster"],
        [
            [
                name,
                f"{row['microseconds']['ours']:.0f} µs",
                f"{row['microseconds']['Pillow']:.0f} µs",
                f"{row['times_pillow']:.1f}x",
            ]
            for name, row in result["speed"].items()
        ],
    )
    kinds = ", ".join(KINDS)
    return "\n\n".join(
        [
            agreement,
            f"Of {kinds}; bilinear and bicubic, Pillow {result['pillow']}.",
            timing,
            f"Measured by `python benchmarks/resize.py` on {where(result['machine'])}, one thread.",
        ]
    )


@click.command()
@click.option("--values", default=250.0, help="Millions of values to compare.")
@click.option("--rounds", default=7, help="Timing rounds.")
@click.option("--seed", default=0, help="Seed of the cases.")
def main(values: float, rounds: int, seed: int) -> None:
    """Measure and write the results."""
    if int(PIL.__version__.partition(".")[0]) < 13:
        sys.exit("this benchmark needs Pillow 13")
    torch.set_num_threads(1)
    result: dict[str, Any] = {
        "command": f"python benchmarks/resize.py --values {values:g}",
        "machine": machine(),
        "pillow": PIL.__version__,
        "speed": speed(rounds),
        "agreement": {kind: differing(kind, 1e6 * values / len(KINDS), seed) for kind in KINDS},
    }
    save("resize", result)
    text = report(result)
    write_report("resize", text)
    click.echo(text)


if __name__ == "__main__":
    main()
