"""Images and augmentation drawn from a recipe (SPEC, section 12)."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from .primitives import Arrays, Row, inflate, need

NUMBER = (int, float)
KEYS: dict[str, Any] = {
    "generator": str, "seed": int, "images": int, "batch": int, "size": list,
    "sizes": (list, bytes), "scale": (list, type(None)), "ratio": list,
    "flip": (*NUMBER, type(None)), "mix": (str, type(None)), "alpha": NUMBER,
    "cutout": (*NUMBER, type(None)), "operations": int, "magnitude": NUMBER, "deviation": NUMBER,
}  # fmt: skip
LIMITS: dict[str, Any] = {
    "seed": (0, 2**64 - 1), "images": (1, 2**24), "batch": (1, 2**16), "size": (1, 2**24 - 1),
    "scale": (2**-24, 1), "ratio": (0.001, 1000), "flip": (0, 1), "alpha": (0.1, 4),
    "cutout": (2**-24, 1), "operations": (0, 16), "magnitude": (0, 10), "deviation": (0, 10),
}  # fmt: skip


def read_recipe(header: dict[str, Any]) -> dict[str, Any] | None:
    """The recipe of a header, every key there, its `sizes` one pair an image [R-1 to R-4]."""
    if header.get("recipe") is None:
        return None
    recipe = dict.fromkeys(KEYS) | header["recipe"]
    need(recipe.keys() == KEYS.keys() and recipe["generator"] == "philox4x32-10", "R-1")
    for key, kind in KEYS.items():
        need(isinstance(recipe[key], kind) and not isinstance(recipe[key], bool), "R-2")
    for key, (low, high) in LIMITS.items():
        value = recipe[key]
        need(not isinstance(value, list) or len(value) == 2, "R-2")
        for one in value if isinstance(value, list) else [value]:
            need(one is None or low <= one <= high, "R-2")
    for key in ("scale", "ratio"):
        need(recipe[key] is None or recipe[key][0] <= recipe[key][1], "R-2")
    need(recipe["mix"] in (None, "cutmix", "mixup"), "R-2")
    count = recipe["images"]
    if isinstance(recipe["sizes"], bytes):
        data = struct.unpack(f"<{2 * count}I", inflate(recipe["sizes"], 8 * count, 8 * count))
        recipe["sizes"] = list(zip(data[:count], data[count:], strict=True))
    else:
        need(len(recipe["sizes"]) == 2, "R-3")
        recipe["sizes"] = [tuple(recipe["sizes"])] * count
    need(all(0 < side < 1 << 24 for pair in recipe["sizes"] for side in pair), "R-3")
    for key, drawn in (("images", "images"), ("image_size", "size"), ("mix", "mix")):
        need(header.get(key) in (None, recipe[drawn]), "R-4")
    return recipe


def philox(counter: Row, seed: int) -> Row:
    """Four random words [R-5]."""
    x0, x1, x2, x3 = counter
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p, q = 0xD2511F53 * x0, 0xCD9E8D57 * x2
        x0, x1, x2, x3 = q >> 32 ^ x1 ^ k0, q & 0xFFFFFFFF, p >> 32 ^ x3 ^ k1, p & 0xFFFFFFFF
        k0, k1 = k0 + 0x9E3779B9 & 0xFFFFFFFF, k1 + 0xBB67AE85 & 0xFFFFFFFF
    return [x0, x1, x2, x3]


class Words:
    """The words of one batch [R-6]."""

    def __init__(self, seed: int, epoch: int, batch: int) -> None:
        self.seed, self.epoch, self.batch = seed, epoch, batch

    def at(self, purpose: int, index: int) -> Row:
        """Those at an index."""
        return philox([index, self.batch, self.epoch, purpose], self.seed)


def below(word: int, limit: int) -> int:
    """A whole number in 0..limit - 1 [R-7]."""
    return word * limit >> 32


def permutation(words: Words, purpose: int, count: int) -> Row:
    """Numbers sorted by their keys [R-8]."""
    keys = []
    for number in range(count):
        w0, w1, _, _ = words.at(purpose, number)
        keys.append((w0 << 32 | w1, number))
    return [number for _, number in sorted(keys)]


def power(base: float, whole: int, bits: int) -> float:
    """A power from products and square roots [R-11]."""
    result = 1.0
    for _ in range(whole):
        result *= base
    for k in range(1, 33):
        base = math.sqrt(base)
        if bits >> 32 - k & 1:
            result *= base
    return result


def crop(words: Words, sample: int, size: tuple[int, int], scale: Any, ratio: Any) -> Row:
    """Top, left, height, width [R-12, R-13]."""
    height, width = size
    for attempt in range(10):
        w0, w1, w2, w3 = words.at(1, sample + 65536 * attempt)
        area = height * width * (scale[0] + (scale[1] - scale[0]) * (w0 / 2**32))
        aspect = ratio[0] * power(ratio[1] / ratio[0], 0, w1)
        columns, rows = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < columns <= width and 0 < rows <= height:
            return [below(w2, height - rows + 1), below(w3, width - columns + 1), rows, columns]
    rows, columns = height, width
    if width / height < ratio[0]:
        rows = max(round(width / ratio[0]), 1)
    if width / height > ratio[1]:
        columns = max(round(height * ratio[1]), 1)
    return [(height - rows) // 2, (width - columns) // 2, rows, columns]


def mix_ratio(words: Words, alpha: float) -> float:
    """A draw of Beta(alpha, alpha) [R-15]."""
    exponent = 1 / alpha
    whole = int(exponent)
    bits = int((exponent - whole) * 2**32)
    index = 0
    while True:
        w0, w1, w2, w3 = words.at(4, index)
        x = power(((w0 << 20 | w1 >> 12) + 0.5) / 2**52, whole, bits)
        y = power(((w2 << 20 | w3 >> 12) + 0.5) / 2**52, whole, bits)
        if x + y <= 1:
            return x / (x + y)
        index += 1


def mix_box(words: Words, ratio: float, size: Row) -> Row:
    """First row, row behind the last, first column, column behind the last [R-16]."""
    edges = []
    for side, word in zip(size, words.at(5, 0), strict=False):
        half = int(side * math.sqrt(1 - ratio)) // 2
        centre = below(word, side)
        edges += [max(centre - half, 0), min(centre + half, side)]
    return edges


def cutout(words: Words, sample: int, share: float, size: Row) -> list[float]:
    """Centre, sides and colour [R-17]."""
    w0, w1, w2, _ = words.at(6, sample)
    centre = [below(word, side) / side for word, side in zip((w0, w1), size, strict=True)]
    sides = [int(share * side + 0.5) / side for side in size]
    return [*centre, *sides, w2 & 255, w2 >> 8 & 255, w2 >> 16 & 255]


FACTORS = [0, 0, 0, 30, 4, 256, 110, 1.8, 1.8, 1.8, 1.8, 0.3, 0.3, 0.45, 0.45]


def operation(words: Words, index: int, magnitude: float, deviation: float) -> list[float]:
    """Number, decision and magnitude of the operation whose words start there [R-18, R-19]."""
    w0, w1, w2, _ = words.at(7, index)
    op, decision = below(w0, 15), (w1 >> 8) / 2**24
    if decision >= 0.5 or op < 3:
        return [op, decision, -99]
    total = sum(sum(words.at(7, index + 65536 * block)) for block in (1, 2, 3))
    level = magnitude + deviation * (total / 2**32 - 6)
    value = min(max(level, 0), 10) / 10 * FACTORS[op] + (0.1 if 7 <= op <= 10 else 0)
    if 4 <= op <= 6:
        value = int(value)
    if op in (3, 11, 12, 13, 14) and w2 < 1 << 31:
        value = -value
    return [op, decision, value]


def draw(recipe: dict[str, Any], number: int) -> Arrays:
    """Epoch, image indices and augmentation of a batch [R-9, R-10, R-14]."""
    size, batch = recipe["size"], recipe["batch"]
    epoch, place = divmod(number, -(-recipe["images"] // batch))
    need(epoch < 1 << 32, "R-9")
    order = permutation(Words(recipe["seed"], epoch, 0), 0, recipe["images"])
    index = order[place * batch : (place + 1) * batch]
    words, samples = Words(recipe["seed"], epoch, place), range(len(index))
    out: Arrays = {"epoch": np.array(epoch), "image_index": np.array(index, np.int64)}
    if recipe["scale"] is not None:
        sizes = [recipe["sizes"][image] for image in index]
        boxes = [crop(words, i, sizes[i], recipe["scale"], recipe["ratio"]) for i in samples]
        out["crop_box"], out["crop_size"] = np.array(boxes, np.int32), np.array(sizes, np.int32)
        out["crop_precision"] = np.array("float32")
    if recipe["flip"] is not None:
        out["flip"] = np.array([words.at(2, i)[0] < recipe["flip"] * 2**32 for i in samples])
    if recipe["mix"] is not None:
        ratio = mix_ratio(words, recipe["alpha"])
        out["mix_partner"] = np.array(permutation(words, 3, len(index)), np.int64)
        out["mix_ratio"], out["mix_kind"] = np.array(ratio), np.array(recipe["mix"])
        if recipe["mix"] == "cutmix":
            out["mix_box"] = np.array(mix_box(words, ratio, size), np.int64)
    if recipe["cutout"] is not None:
        boxes = [cutout(words, i, recipe["cutout"], size) for i in samples]
        out["cutout"] = np.array(boxes, np.float32)
    if recipe["operations"]:
        rules = recipe["magnitude"], recipe["deviation"]
        drawn = np.array(
            [
                [operation(words, i + 65536 * 4 * j, *rules) for j in range(recipe["operations"])]
                for i in samples
            ]
        )
        out["randaugment_op"] = drawn[:, :, 0].astype(np.int64)
        out["randaugment_decision"] = drawn[:, :, 1].astype(np.float32)
        out["randaugment_magnitude"] = drawn[:, :, 2].astype(np.float32)
        out["randaugment_dtypes"] = np.array(["float32"] * recipe["operations"])
    return out
