"""Batches of every kind a source can hold, and the bit-for-bit comparison of two."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import strategies as st

from labelcodec.augmentation.crop import Crop
from labelcodec.augmentation.mix import Mix
from labelcodec.augmentation.parts import Augmentation
from labelcodec.augmentation.randaugment import RandAugment
from labelcodec.batch import LabelBatch, Labels
from labelcodec.header import Header
from labelcodec.kept_counts import pad
from labelcodec.sequences import Sequences
from labelcodec.validation import validate

STYLES = (
    "normal", "ties", "constant", "negative zero", "any bits", "huge", "tiny", "half in single",
)  # fmt: skip
CROPS = (None, "one size", "many sizes", "float16", "float32", "outside")
MIXES = (None, "cutmix", "mixup", "cutmix with any partner")
CUTOUTS = (None, "grid", "any")
MAGNITUDES = ("float16", "float32", "int64")


@dataclass(frozen=True)
class Recipe:
    """What a batch should hold."""

    classes: int = 12
    samples: int = 9
    k: int | None = None
    precision: str = "float16"
    style: str = "normal"
    space: str = "logits"
    tail: str | None = None
    rising: bool = False  # top-k in no order
    twice: bool = False  # top-k with a class twice
    crop: str | None = "one size"
    half_crop: bool = False
    flip: bool = True
    mix: str | None = "cutmix"
    cutout: str | None = None
    magnitudes: tuple[str, ...] = ()
    seed: int = 0
    seeds: bool = False
    varying: bool = False  # top-k labels that keep different numbers of classes

    def header(self) -> Header:
        return Header(
            self.classes, self.space, self.precision, self.tail if self.k else None, self.k
        )


@st.composite
def recipes(draw: st.DrawFn, **fixed: Any) -> Recipe:
    classes = draw(st.integers(1, 40))
    k = draw(st.none() | st.integers(1, classes))
    space = draw(st.sampled_from(["logits", "probabilities"]))
    tails = ["zero", "uniform" if space == "probabilities" else "floor"]
    drawn = Recipe(
        classes,
        draw(st.integers(1, 20) | st.integers(1, 300)),
        k,
        draw(st.sampled_from(["float16", "bfloat16", "float32"])),
        draw(st.sampled_from(STYLES)),
        space,
        draw(st.sampled_from(tails)) if k else None,
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(CROPS)),
        draw(st.booleans()),
        draw(st.booleans()),
        draw(st.sampled_from(MIXES)),
        draw(st.sampled_from(CUTOUTS)),
        draw(st.just(()) | st.lists(st.sampled_from(MAGNITUDES), max_size=3).map(tuple)),
        draw(st.integers(0, 2**32 - 1)),
        draw(st.booleans()),
        draw(st.booleans()) if k else False,
    )
    return replace(drawn, **fixed)


def batch(recipe: Recipe, number: int = 0, epoch: int = 0) -> LabelBatch:
    """The batch of a recipe; other numbers give other content."""
    rng = np.random.default_rng([recipe.seed, number])
    made = LabelBatch(
        number,
        epoch,
        rng.integers(0, rng.choice([1, 60, 10**6, 1 << 61]), recipe.samples),
        augmentation(recipe, rng),
        labels(recipe, rng),
    )
    validate(made)
    return made


def labels(recipe: Recipe, rng: np.random.Generator) -> Labels:
    value = numbers(recipe, rng, (recipe.samples, recipe.classes))
    shared = (recipe.space, recipe.tail, recipe.precision)
    if recipe.k is None:
        return Labels(recipe.classes, value, None, *shared)
    kept = rng.permuted(np.tile(np.arange(recipe.classes), (recipe.samples, 1)), axis=1)
    kept = kept[:, : recipe.k]
    top = np.take_along_axis(value, kept, axis=1)
    if not recipe.rising:
        order = np.argsort(-top, axis=1, kind="stable")
        kept, top = (np.take_along_axis(a, order, axis=1) for a in (kept, top))
    if recipe.twice:
        kept[rng.integers(recipe.samples), -1] = kept[0, 0]
    floor = value.min(axis=1) if recipe.tail == "floor" else None
    made = Labels(recipe.classes, top, kept, *shared, floor)
    return pad(made, rng.integers(1, recipe.k + 1, recipe.samples)) if recipe.varying else made


def numbers(recipe: Recipe, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Values of the recipe's precision and style."""
    drawn = rng.normal(0, 3, shape).astype(np.float32)
    if recipe.style == "ties":
        drawn = np.rint(drawn)
    elif recipe.style == "constant":
        drawn[:] = drawn[0, 0]
    elif recipe.style == "negative zero":
        drawn = np.where(rng.random(shape) < 0.5, np.float32(-0.0), np.rint(drawn / 3))
    elif recipe.style == "any bits":
        drawn = rng.integers(0, 1 << 32, shape).astype(np.uint32).view(np.float32)
    elif recipe.style == "huge":
        drawn = np.where(drawn > 0, np.float32(3e38), np.float32(-3e38))
    elif recipe.style == "tiny":
        drawn *= np.float32(1e-39)
    elif recipe.style == "half in single":
        drawn = drawn.astype(np.float16).astype(np.float32)
    if recipe.precision == "float16":
        if recipe.style == "any bits":
            return rng.integers(0, 1 << 16, shape).astype(np.uint16).view(np.float16)
        return np.clip(drawn, -65504, 65504).astype(np.float16)
    if recipe.precision == "bfloat16":
        return (drawn.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    return drawn


def augmentation(recipe: Recipe, rng: np.random.Generator) -> Augmentation:
    size = recipe.samples
    return Augmentation(
        crop(recipe, rng),
        rng.random(size) < 0.5 if recipe.flip else None,
        mix(recipe, rng),
        cutout(recipe, rng),
        randaugment(recipe, rng) if recipe.magnitudes else None,
        rng.integers(-(1 << 31), 1 << 31, size).astype(np.int32) if recipe.seeds else None,
    )


def crop(recipe: Recipe, rng: np.random.Generator) -> Crop | None:
    if recipe.crop is None:
        return None
    count, precision = recipe.samples, "float16" if recipe.half_crop else "float32"
    if recipe.crop in ("float16", "float32"):
        return Crop(rng.random((count, 4)).astype(recipe.crop), None, recipe.crop)
    sides = np.full((count, 2), rng.integers(1, 600, 2), np.int32)
    if recipe.crop == "many sizes":
        sides = rng.integers(1, 3000, (count, 2)).astype(np.int32)
    span = rng.integers(1, sides + 1)
    corner = rng.integers(0, sides - span + 1)
    box = np.concatenate([corner, span], axis=1).astype(np.int32)
    if recipe.crop == "outside":
        box[rng.integers(count)] += rng.integers(-2, 3, 4).astype(np.int32)
    return Crop(box, sides, precision)


def mix(recipe: Recipe, rng: np.random.Generator) -> Mix | None:
    if recipe.mix is None:
        return None
    if recipe.mix == "cutmix with any partner":
        partner = rng.integers(0, recipe.samples, recipe.samples)
    else:
        partner = rng.permutation(recipe.samples)
    ratio = float(rng.beta(1, 1))
    if recipe.mix == "mixup":
        return Mix("mixup", partner, ratio, None)
    box = tuple(rng.integers(0, 225, 4).tolist())
    return Mix("cutmix", partner, ratio, box)


def cutout(recipe: Recipe, rng: np.random.Generator) -> np.ndarray | None:
    if recipe.cutout is None:
        return None
    drawn = rng.random((recipe.samples, 7)).astype(np.float32)
    if recipe.cutout == "grid":
        side = rng.choice([224, 64, 32, 448])
        drawn[:, :4] = rng.integers(0, side + 1, (recipe.samples, 4)) / side
        drawn[:, 4:] = rng.integers(0, 256, (recipe.samples, 3))
    return drawn


def randaugment(recipe: Recipe, rng: np.random.Generator) -> RandAugment:
    shape = recipe.samples, len(recipe.magnitudes)
    magnitude = np.zeros(shape, np.float32)
    for column, name in enumerate(recipe.magnitudes):
        drawn = rng.normal(0, 30, recipe.samples)
        magnitude[:, column] = -99 if name == "int64" else drawn.astype(name)
    kind = rng.choice(["float16", "float32"])
    return RandAugment(
        rng.integers(0, 15, shape), rng.random(shape).astype(kind), magnitude, recipe.magnitudes
    )


def same(a: Any, b: Any) -> bool:
    """Equal in type and every bit, all the way down.

    Integers may differ in width, and so may RandAugment's magnitudes, whose types are in
    `magnitude_dtypes`.
    """
    if isinstance(a, np.ndarray):
        if not isinstance(b, np.ndarray) or a.shape != b.shape or a.dtype.kind != b.dtype.kind:
            return False
        if a.dtype.kind != "f":
            return bool((a == b).all())
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, Crop) and isinstance(b, Crop) and (a.size is None) != (b.size is None):
        return a.precision == b.precision and same(a.fractions(), b.fractions())
    if isinstance(a, RandAugment) and isinstance(b, RandAugment):
        a = replace(a, magnitude=a.magnitude.astype(float))
        b = replace(b, magnitude=b.magnitude.astype(float))
    if isinstance(a, (LabelBatch, Labels, Augmentation, Crop, Mix, RandAugment, Sequences)):
        return type(a) is type(b) and all(same(getattr(a, n), getattr(b, n)) for n in vars(a))
    return type(a) is type(b) and bool(a == b)
