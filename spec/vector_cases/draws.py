"""Single draws of SPEC section 12, for those who write their own: `draws.json`."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelcodec.augmentation.crop.draw import draw_crops
from labelcodec.augmentation.exact_pow import power
from labelcodec.augmentation.mix import draw_box, draw_ratio
from labelcodec.augmentation.philox import Purpose, Source, philox
from labelcodec.augmentation.shuffle import permutation

SEEDS = (0, 42, 2**64 - 1)
KNOWN = ((0, 0, 0, 0), (2**32 - 1,) * 4, (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344))
KNOWN_SEEDS = (0, 2**64 - 1, 0x299F31D0A4093822)
SIZES = ((224, 224), (375, 500), (3, 300), (1, 1))


def draws() -> dict[str, list[dict[str, Any]]]:
    """By kind, what goes in and what comes out; floats as hexadecimal strings."""
    return {
        "philox": [
            {
                "counter": list(counter),
                "seed": seed,
                "words": philox(np.array([counter], np.uint32), seed)[0].tolist(),
            }
            for counter, seed in zip(KNOWN, KNOWN_SEEDS, strict=True)
        ],
        "permutation": [
            {
                "seed": seed, "epoch": 3, "batch": 2, "purpose": 3, "count": count,
                "numbers": permutation(Source(seed, 3, 2), Purpose.PARTNER, count).tolist(),
            }
            for seed in SEEDS
            for count in (1, 2, 17)
        ],
        "power": [
            {
                "base": base.hex(), "whole": whole, "bits": bits,
                "result": float(power(base, whole, bits)).hex(),
            }
            for base in (0.1, 16 / 9, 2.0**-53)
            for whole, bits in ((0, 0), (1, 1), (5, 0), (2, 0xDEADBEEF), (0, 2**32 - 1))
        ],
        "crop": [
            {
                "seed": seed, "epoch": 1, "batch": 7, "sample": sample, "size": list(SIZES[sample]),
                "scale": scale, "ratio": [3 / 4, 4 / 3], "box": box,
            }
            for seed in SEEDS
            for scale in ((0.08, 1.0), (0.9, 1.0))
            for sample, box in enumerate(
                draw_crops(
                    Source(seed, 1, 7), np.array(SIZES, np.int32), scale, (3 / 4, 4 / 3)
                ).tolist()
            )
        ],
        "ratio": [
            {
                "seed": seed, "epoch": 0, "batch": batch, "alpha": alpha,
                "ratio": draw_ratio(Source(seed, 0, batch), alpha).hex(),
            }
            for seed in SEEDS
            for alpha in (0.1, 0.2, 0.8, 1.0, 1.5, 4.0)
            for batch in range(2)
        ],
        "box": [
            {
                "seed": seed, "epoch": 0, "batch": 5, "ratio": ratio.hex(), "size": [224, 192],
                "box": list(draw_box(Source(seed, 0, 5), ratio, (224, 192))),
            }
            for seed in SEEDS
            for ratio in (0.0, 0.3, 0.5, 0.999, 1.0)
        ],
    }  # fmt: skip
