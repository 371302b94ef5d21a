"""Replayed images of SPEC section 17, for those who write their own: `replay.json`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelcodec import Augmentation, Crop
from labelcodec.augmentation.crop.boxes import pixel_boxes
from labelcodec.replay.image_replay import replay_image

HEIGHT, WIDTH = 22, 17
BOXES: tuple[tuple[list[int], list[int]], ...] = (
    ([0, 0, 22, 17], [9, 9]),  # whole, reduced
    ([3, 2, 6, 5], [9, 11]),  # enlarged
    ([0, 5, 22, 2], [6, 5]),  # tall: the height is resized first
    ([20, 0, 2, 17], [5, 4]),  # flat
    ([7, 16, 1, 1], [3, 4]),  # one pixel
    ([1, 0, 20, 17], [1, 1]),  # to one pixel
    ([10, 8, 4, 9], [4, 9]),  # as it is
)
FRACTIONS = ([0.1, 0.2, 0.5, 0.75], [0.0, 0.0, 1.0, 1.0], [0.3333, 0.0883, 0.0455, 0.0589])


def picture() -> NDArray[np.uint8]:
    """Levels with edges, so that bicubic sums leave 0..255, a ramp, and something like noise."""
    row, column = np.mgrid[:HEIGHT, :WIDTH]
    edges = (row // 5 + column // 4) % 2 * 255
    noise = (row * 7919 + column * 104729) % 251
    return np.stack([edges, row * 11, noise], axis=2).astype(np.uint8)


def replays() -> dict[str, Any]:
    """The image, what it becomes, and boxes in pixels of boxes in fractions."""
    image, cases = picture(), []
    for i, (box, size) in enumerate(BOXES):
        for interpolation in ("bilinear", "bicubic"):
            flip = (i + (interpolation == "bicubic")) % 2 == 1
            cutout = [0.5, 0.25, 0.3, 0.5, 7.0, 200.0, 31.0] if i % 3 == 0 else None
            augmentation = Augmentation(
                crop=Crop(np.array([box], np.int32), np.array([[HEIGHT, WIDTH]], np.int32)),
                flip=np.array([flip]),
                cutout=None if cutout is None else np.array([cutout], np.float32),
            )
            case = {"box": box, "size": size, "interpolation": interpolation}
            levels = replay_image(image, augmentation, 0, (size[0], size[1]), interpolation)
            cases.append(case | {"flip": flip, "cutout": cutout, "levels": levels.tobytes().hex()})
    fractions = [
        {"fractions": np.float32(box).astype(float).tolist(), "sides": [HEIGHT, WIDTH]}
        for box in FRACTIONS
    ]
    for box, boxed in zip(FRACTIONS, fractions, strict=True):
        crop = Crop(np.array([box], np.float32), None)
        boxed["box"] = pixel_boxes(crop, np.array([[HEIGHT, WIDTH]]), (1, 1))[0].tolist()
    shown = {"height": HEIGHT, "width": WIDTH, "levels": image.tobytes().hex()}
    return {"image": shown, "replayed": cases, "boxes": fractions}
