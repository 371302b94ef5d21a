from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image

from labelcodec.demo.strokes import FAMILY, SIDE, character, draw, write_folder

DIGEST = "db0eb112294c71fe7266b55b2d7467c66d1887486a9cf19f9dda30ddcd66f664"


def test_the_images_are_the_same_everywhere():
    pictures = [draw(number, writer) for number in (0, 4, 5, 99) for writer in (0, 107)]
    assert hashlib.sha256(np.stack(pictures).tobytes()).hexdigest() == DIGEST


def test_a_family_shares_all_strokes_but_one():
    one, other, stranger = character(0), character(FAMILY - 1), character(FAMILY)
    assert np.array_equal(one[:2], other[:2])
    assert not np.isclose(one[2], other[2]).any()
    assert not np.isclose(one, stranger).any()


def test_hands_differ_and_ink_stays_in_range():
    one, other = draw(3, 0), draw(3, 1)
    assert one.shape == other.shape == (SIDE, SIDE)
    assert one.dtype == np.uint8
    assert one.max() == 255
    assert 0.05 < (one > 127).mean() < 0.5
    assert not np.array_equal(one, other)


def test_a_folder_is_an_image_folder(tmp_path):
    write_folder(tmp_path / "a", 3, range(7, 9))
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png"))
    assert names == [f"a/{c:03}/{w:03}.png" for c in range(3) for w in (7, 8)]
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a/002/008.png")), draw(2, 8))
