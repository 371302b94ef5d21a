"""The parts of an augmentation by name, and whether two of them are the same to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelcodec.batch import Augmentation


def augmentation_parts(augmentation: Augmentation) -> dict[str, Any]:
    """What was recorded: name -> array or plain value. Crops are fractions of the image sides."""
    parts: dict[str, Any] = {}
    crop, mix, drawn = augmentation.crop, augmentation.mix, augmentation.randaugment
    if crop is not None:
        parts["crop boxes"] = crop.fractions()
    parts["flips"] = augmentation.flip
    if mix is not None:
        parts |= {"mix kinds": mix.kind, "mix partners": mix.partner}
        parts |= {"mix ratios": np.float64(mix.ratio), "mix boxes": mix.box}
    parts["cutouts"] = augmentation.cutout
    if drawn is not None:
        parts |= {"randaugment operations": drawn.op, "randaugment decisions": drawn.decision}
        # a container holds them in float32, a dump where it is exact in float16
        parts["randaugment magnitudes"] = drawn.magnitude.astype(np.float32)
        parts["randaugment types"] = drawn.magnitude_dtypes
    return parts


def same_bits(a: Any, b: Any) -> bool:
    """Equal in type, shape and bits for arrays (NaN equals the same NaN); plain values by ==."""
    if not isinstance(a, (np.ndarray, np.generic)) or not isinstance(b, (np.ndarray, np.generic)):
        return bool(a == b) if type(a) is type(b) else False
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
