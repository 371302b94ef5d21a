"""What torchvision's transforms do to a Pillow image, written out as the Pillow calls they make.

    python -m tests.replay.pillow_vectors

writes pillow_vectors.npz: what came out of these calls under Pillow 13. Older Pillows resize one of
the crops in another order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import PIL
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from labelcodec.augmentation.crop.resampling import rows_first

PATH = Path(__file__).with_suffix(".npz")
SIZE = (24, 20)
RESIZES_AS_DEFINED = int(PIL.__version__.partition(".")[0]) >= 13
FILL = (124, 116, 104)
BOXES = ((0, 0, 48, 64), (7, 30, 41, 34), (3, 5, 10, 9), (10, 0, 1, 1), (2, 60, 46, 4))
OPERATIONS: tuple[tuple[int, float], ...] = (
    (0, -99), (1, -99), (2, -99), (3, -17.5), (4, 2), (4, 0), (5, 153), (6, 66), (7, 1.18),
    (8, 0.46), (9, 1.72), (10, 0.1), (11, 0.18), (12, -0.25), (13, 0.27), (14, -0.31),
)  # fmt: skip


def boxes_resized_as_defined() -> list[int]:
    """Rows of BOXES that the installed Pillow resizes as SPEC says: before 13 not the tall one."""
    tall = rows_first(np.array(BOXES), SIZE)
    return np.flatnonzero(~tall | RESIZES_AS_DEFINED).tolist()


def picture() -> Image.Image:
    """48 x 64 pixels: a ramp, a pattern and some noise, without a random generator's help."""
    row, column = np.mgrid[:48, :64]
    noise = (row * 7919 + column * 104729) % 97
    planes = [row * 5, column * 4, (row // 6 + column // 5) % 2 * 150 + noise]
    return Image.fromarray(np.stack(planes, 2).astype(np.uint8))


def part() -> Image.Image:
    """Part of it, to keep the stored vectors small."""
    return picture().crop((20, 10, 44, 30))


def resized_crop(
    image: Image.Image, box: tuple[int, ...], filter_: Any, size: tuple[int, int] = SIZE
) -> Image.Image:
    """`functional.resized_crop` with a size of two numbers."""
    top, left, height, width = box
    return image.crop((left, top, left + width, top + height)).resize(size[::-1], filter_)


def operation(image: Image.Image, op: int, value: float) -> Image.Image:
    """timm's operation as LPQLD calls it."""

    def affine(*matrix: float) -> Image.Image:
        return image.transform(
            image.size, Image.AFFINE, matrix, resample=Image.BICUBIC, fillcolor=FILL
        )

    if op == 3:
        return image.rotate(value, resample=Image.BICUBIC, fillcolor=FILL)
    if op == 6:
        lut = [min(255, i + int(value)) if i < 128 else i for i in range(256)]
        return image.point(lut + lut + lut)
    if op >= 11:
        x, y = value * image.size[0], value * image.size[1]
        shears = (1, value, 0, 0, 1, 0), (1, 0, 0, value, 1, 0)
        return affine(*(*shears, (1, 0, x, 0, 1, 0), (1, 0, 0, 0, 1, y))[op - 11])
    enhancers = [
        ImageEnhance.Color, ImageEnhance.Contrast, ImageEnhance.Brightness, ImageEnhance.Sharpness
    ]  # fmt: skip
    if op >= 7:
        return enhancers[op - 7](image).enhance(value)
    if op == 5:
        return ImageOps.solarize(image, int(value))
    if op == 4 and value == 0:
        return Image.new("RGB", image.size)  # what Pillow's posterize gave before it refused 0
    if op == 4:
        return ImageOps.posterize(image, int(value))
    return (ImageOps.autocontrast, ImageOps.equalize, ImageOps.invert)[op](image)


def vectors() -> dict[str, NDArray[Any]]:
    image, found = picture(), {}
    for name, filter_ in (("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)):
        crops = [resized_crop(image, box, filter_) for box in BOXES]
        found[name] = np.stack([np.asarray(crop) for crop in crops])
    mirrored = resized_crop(image, BOXES[1], Image.BILINEAR).transpose(Image.FLIP_LEFT_RIGHT)
    found["flip"] = np.asarray(mirrored)
    painted = resized_crop(image, BOXES[0], Image.BILINEAR)
    # centre 23, 4 and sides 12, 10: rows 17 to 24 (outside), columns 0 (of -1) to 9
    ImageDraw.Draw(painted).rectangle([0, 17, 9, 24], fill=(1, 200, 30))
    found["cutout"] = np.asarray(painted)
    drawn = [operation(part(), op, value) for op, value in OPERATIONS]
    found["operations"] = np.stack([np.asarray(one) for one in drawn])
    return found


if __name__ == "__main__":
    np.savez_compressed(PATH, **vectors())  # type: ignore[arg-type]
