"""Random views: reproducible, of the right size and range, and differentiable."""

from __future__ import annotations

from dataclasses import replace

import torch

from labelcodec.pipeline.recovery.settings import RecoverySettings
from labelcodec.pipeline.recovery.views import View, draw_view, viewed

SETTINGS = RecoverySettings(iterations=200)
SIZE = (28, 35)


def test_views_depend_on_seed_job_and_iteration_alone() -> None:
    assert draw_view(SETTINGS, 2, 5, SIZE) == draw_view(SETTINGS, 2, 5, SIZE)
    other = {
        draw_view(SETTINGS, 2, 5, SIZE),
        draw_view(SETTINGS, 3, 5, SIZE),
        draw_view(SETTINGS, 2, 6, SIZE),
        draw_view(replace(SETTINGS, seed=1), 2, 5, SIZE),
    }
    assert len(other) == 4


def test_shifts_flips_and_boxes_cover_their_ranges() -> None:
    views = [draw_view(SETTINGS, 0, i, SIZE) for i in range(200)]
    assert {view.shift[0] for view in views} == set(range(28 // 7 + 1))
    assert {view.shift[1] for view in views} == set(range(35 // 7 + 1))
    assert 60 < sum(view.flip for view in views) < 140
    for view in views:
        top, left, height, width = view.box
        assert 0 <= top <= top + height <= SIZE[0]
        assert 0 <= left <= left + width <= SIZE[1]


def test_without_crop_flip_and_roll_images_are_unchanged() -> None:
    still = replace(SETTINGS, scale=None, flip=0, roll=0)
    images = torch.randn(2, 3, *SIZE)
    assert torch.equal(viewed(images, draw_view(still, 0, 0, SIZE)), images)


def test_curriculum_begins_with_whole_images_and_ends_with_the_range() -> None:
    cda = replace(SETTINGS, method="cda")
    assert cda.scale_at(0) == (1.0, 1.0)
    assert cda.scale_at(100) == (0.54, 1.0)
    assert 0.08 < cda.scale_at(199)[0] < 0.081
    assert SETTINGS.scale_at(0) == (0.08, 1.0)
    lower = [cda.scale_at(i)[0] for i in range(200)]
    assert lower == sorted(lower, reverse=True)


def test_a_view_crops_then_flips_then_rolls() -> None:
    images = torch.arange(2.0 * 3 * 4 * 4).reshape(2, 3, 4, 4)
    flipped = viewed(images, View(None, True, (1, 2)))
    assert torch.equal(flipped, images.flip(3).roll((1, 2), (2, 3)))
    enlarged = viewed(images, View((1, 2, 1, 1), False, (0, 0)))
    assert torch.equal(enlarged, images[:, :, 1:2, 2:3].expand(2, 3, 4, 4))
