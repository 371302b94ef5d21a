"""Replay as in SPEC, section 17: the library, the reference decoder and replay.json agree."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from labelcodec import Augmentation, Crop, Mix, RandAugment
from labelcodec.augmentation.crop.resampling import INTERPOLATIONS
from labelcodec.augmentation.crop.resizing import resized_crop
from labelcodec.augmentation.mix import mix_images
from labelcodec.augmentation.randaugment import FACTOR, operations
from labelcodec.errors import DataError
from labelcodec.replay.image_replay import replay_image
from spec.reference_decoder import Invalid
from spec.reference_decoder.replay import pixel_box, replay
from spec.vector_cases.replay import BOXES, HEIGHT, WIDTH, picture, replays
from tests.spec.golden import VECTORS
from tests.spec.test_specification import section, table

STORED: dict[str, Any] = json.loads((VECTORS / "v1.2" / "replay.json").read_text())


def levels_of(hexadecimal: str, height: int, width: int) -> np.ndarray:
    return np.frombuffer(bytes.fromhex(hexadecimal), np.uint8).reshape(height, width, 3)


IMAGE = levels_of(STORED["image"]["levels"], HEIGHT, WIDTH)


def test_the_library_replays_them() -> None:
    assert json.loads(json.dumps(replays())) == STORED


@pytest.mark.parametrize("case", STORED["replayed"], ids=str)
def test_the_reference_decoder_replays_them(case: dict[str, Any]) -> None:
    """Clauses Y-1 to Y-7."""
    found = replay(
        IMAGE.tolist(), case["box"], case["size"], case["interpolation"], case["flip"],
        case["cutout"],
    )  # fmt: skip
    assert np.array_equal(found, levels_of(case["levels"], *case["size"]))


@pytest.mark.parametrize("case", STORED["boxes"], ids=str)
def test_boxes_in_fractions(case: dict[str, Any]) -> None:
    """Clause Y-2."""
    assert pixel_box(case["fractions"], *case["sides"]) == case["box"]


@given(
    st.integers(0, 10**6),
    st.tuples(st.integers(1, 40), st.integers(1, 12)),
    st.tuples(st.integers(1, 12), st.integers(1, 12)),
    st.sampled_from(INTERPOLATIONS),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_resized_crops(
    seed: int, sides: tuple[int, int], size: tuple[int, int], interpolation: str, flip: bool
) -> None:
    """Clauses Y-3 to Y-6."""
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 2, (*sides, 3), np.uint8) * 255
    extent = rng.integers(1, [side + 1 for side in sides])
    box = [*rng.integers(0, sides - extent + 1).tolist(), *extent.tolist()]
    found = resized_crop(image, box, size, interpolation, flip)
    assert found.tolist() == replay(image.tolist(), box, size, interpolation, flip)


@pytest.mark.parametrize("box", [[-1, 0, 2, 2], [0, 0, 0, 2], [20, 0, 3, 2], [0, 16, 2, 2]])
def test_boxes_that_break_a_clause(box: list[int]) -> None:
    with pytest.raises(Invalid, match="Y-2"):
        replay(IMAGE.tolist(), box, (3, 3), "bilinear")
    crop = Crop(np.array([box], np.int32), np.array([IMAGE.shape[:2]], np.int32))
    with pytest.raises(DataError):
        replay_image(IMAGE, Augmentation(crop), 0, (3, 3))


def test_mixes() -> None:
    """Clause Y-8."""
    import torch

    images = torch.arange(3 * 3 * 4 * 4).view(3, 3, 4, 4).float()
    partner = np.array([1, 2, 0])
    cut = mix_images(images.clone(), Mix("cutmix", partner, 0.7, (1, 3, 0, 2)))
    expected = images.clone()
    expected[:, :, 1:3, 0:2] = images[partner][:, :, 1:3, 0:2]
    assert torch.equal(cut, expected)
    blended = mix_images(images.clone(), Mix("mixup", partner, 0.25, None))
    assert torch.allclose(blended, 0.25 * images + 0.75 * images[partner])


def test_operations() -> None:
    """Clause Y-9: the operations that are a map of levels, and those that are listed."""
    listed = [cell.split(", ") for cell, _ in table(section("17.5"), "operation", "is")]
    assert sorted(int(number) for numbers in listed for number in numbers) == [*range(len(FACTOR))]

    def applied(op: int, decision: float, magnitude: float) -> np.ndarray:
        drawn = (np.array([[number]], np.float32) for number in (decision, magnitude))
        recorded = RandAugment(np.array([[op]]), *drawn, ("float32",))
        return np.asarray(operations.apply(Image.fromarray(IMAGE), recorded, 0))

    maps = {
        4: lambda v: v >> 6 << 6,
        5: lambda v: np.where(v >= 2, 255 - v, v),
        6: lambda v: np.where(v < 128, np.minimum(255, v + 2), v),
    }
    for op, levels in maps.items():
        assert np.array_equal(applied(op, 0.9, 2), levels(IMAGE.astype(int)))
        assert np.array_equal(applied(op, 0.1, -99), IMAGE)
    assert np.array_equal(applied(2, 0.49, -99), 255 - IMAGE)
    assert np.array_equal(applied(2, 0.5, -99), IMAGE)


def test_the_stored_image_has_both_orders_of_passes() -> None:
    assert np.array_equal(IMAGE, picture())
    tall = [box[2] - size[0] > max(0, 2 * (box[3] - size[1])) for box, size in BOXES]
    assert 0 < sum(tall) < len(tall)
