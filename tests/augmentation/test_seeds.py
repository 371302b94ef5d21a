"""Seeds are kept to the bit, and not replayed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from labelcodec import Augmentation, Crop
from labelcodec.augmentation.part import NetworkInput
from labelcodec.augmentation.seeds import SEEDS, SeedsPart
from labelcodec.errors import CorruptError, UnsupportedError
from labelcodec.replay.image_replay import replay_image

OWN = np.array([0, -1, (1 << 31) - 1, -(1 << 31)], np.int32)
PART = SeedsPart()


def test_bytes():
    streams = PART.encode(OWN, None)
    assert streams == {SEEDS: OWN.astype("<i4").tobytes()}
    views = {stream: memoryview(data) for stream, data in streams.items()}
    assert PART.decode(views, 4, None).tolist() == OWN.tolist()
    assert PART.decode({}, 4, None) is None
    with pytest.raises(CorruptError, match="16 bytes of seeds for 5 samples"):
        PART.decode(views, 5, None)


def test_replay_is_refused():
    target = NetworkInput((8, 8))
    image = np.zeros((8, 8, 3), np.uint8)
    box = np.array([[0, 0, 8, 8]] * 4, np.int32)
    crop = Crop(box, np.full((4, 2), 8, np.int32))
    with pytest.raises(UnsupportedError, match="seeds, from which only the code that wrote them"):
        PART.replay_image(image, Augmentation(seeds=OWN), 0, target)
    with pytest.raises(UnsupportedError, match="seeds, from which only the code that wrote them"):
        PART.replay_batch(torch.zeros(4, 3, 8, 8), Augmentation(seeds=OWN), target)
    assert PART.replay_image(image, Augmentation(), 0, target) is image
    replay_image(image, Augmentation(crop), 0, (8, 8))
    with pytest.raises(UnsupportedError, match="seeds"):
        replay_image(image, Augmentation(crop, seeds=OWN), 0, (8, 8))
