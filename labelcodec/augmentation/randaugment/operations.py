"""RandAugment's operations, numbered as in timm and replayed as in LPQLD."""

from __future__ import annotations

from collections.abc import Callable

from PIL import Image, ImageEnhance, ImageOps

from labelcodec.augmentation.randaugment import NONE, PROBABILITY, RandAugment
from labelcodec.errors import DataError

FILL = (124, 116, 104)  # LPQLD's hparams['img_mean']
SOLARIZE_ADD_BELOW = 128

Operation = Callable[[Image.Image, float], Image.Image]


def _affine(matrix: Callable[[float, Image.Image], tuple[float, ...]]) -> Operation:
    def apply(image: Image.Image, value: float) -> Image.Image:
        return image.transform(
            image.size,
            Image.Transform.AFFINE,
            matrix(value, image),
            resample=Image.Resampling.BICUBIC,
            fillcolor=FILL,
        )

    return apply


def _rotate(image: Image.Image, degrees: float) -> Image.Image:
    return image.rotate(degrees, resample=Image.Resampling.BICUBIC, fillcolor=FILL)


def _posterize(image: Image.Image, bits: float) -> Image.Image:
    kept = -1 << max(8 - int(bits), 0)  # Pillow 13's own posterize rejects 0 bits
    return image.point([i & kept for i in range(256)] * 3)


def _solarize_add(image: Image.Image, added: float) -> Image.Image:
    table = [min(255, i + int(added)) if i < SOLARIZE_ADD_BELOW else i for i in range(256)]
    return image.point(table * 3)


WITHOUT_MAGNITUDE: dict[int, Callable[[Image.Image], Image.Image]] = {
    0: ImageOps.autocontrast,
    1: ImageOps.equalize,
    2: ImageOps.invert,
}
WITH_MAGNITUDE: dict[int, Operation] = {
    3: _rotate,
    4: _posterize,
    5: lambda image, threshold: ImageOps.solarize(image, int(threshold)),
    6: _solarize_add,
    7: lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    8: lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    9: lambda image, factor: ImageEnhance.Brightness(image).enhance(factor),
    10: lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
    11: _affine(lambda factor, image: (1, factor, 0, 0, 1, 0)),  # shear
    12: _affine(lambda factor, image: (1, 0, 0, factor, 1, 0)),
    13: _affine(lambda share, image: (1, 0, share * image.width, 0, 1, 0)),  # translate
    14: _affine(lambda share, image: (1, 0, 0, 0, 1, share * image.height)),
}


def apply(image: Image.Image, drawn: RandAugment, sample: int) -> Image.Image:
    """Apply the operations that were applied to an image when it was labelled.

    An operation that takes a magnitude was applied if one is recorded. Its decision is ignored: a
    decision of 0.49999 is stored in float16 as 0.5, and LPQLD's own loader then skips the
    operation.

    Args:
        image: RGB image at its source size.
        drawn: the draws of the batch.
        sample: row of the image in the batch.

    Raises:
        DataError: an unknown operation number.
    """
    for op, decision, value in zip(
        drawn.op[sample].tolist(),
        drawn.decision[sample].tolist(),
        drawn.magnitude[sample].tolist(),
        strict=True,
    ):
        if op in WITH_MAGNITUDE:
            if value != NONE:
                image = WITH_MAGNITUDE[op](image, value)
        elif op in WITHOUT_MAGNITUDE:
            if decision < PROBABILITY:
                image = WITHOUT_MAGNITUDE[op](image)
        else:
            raise DataError(f"sample {sample}: RandAugment operation {op}, there are 0..14")
    return image
