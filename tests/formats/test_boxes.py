"""The peers store a mix box as row0, column0, row1, column1."""

from __future__ import annotations

from math import sqrt

import pytest

from labelcodec.demo.roundtrip import FIXTURE
from labelcodec.formats import open_dump


@pytest.mark.parametrize("number", [0, 1])
def test_boxes_of_a_real_dump_have_the_area_of_their_ratio(number):
    """Each side is 224 sqrt(1 - ratio), less what lies outside the image."""
    dump = open_dump(FIXTURE, image_order=FIXTURE / "image_order.json")
    mix = dump.read(number).augmentation.mix
    cut = int(224 * sqrt(1 - mix.ratio)) // 2 * 2
    for first, behind in (mix.box[:2], mix.box[2:]):
        clipped = first == 0 or behind == 224
        assert 0 < behind - first <= cut if clipped else behind - first == cut
