"""Replay of recorded batches for training.

    dataset = ReplayDataset("labels.slc", "images")
    loader = DataLoader(dataset, batch_size=None, sampler=BatchOrder(len(dataset)))

Each item is one recorded batch: its images, augmented as the teacher saw them, and the teacher's
labels. This package and `labelcodec.pipeline` need torch; it is imported on first use of one of
these names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelcodec.lazy import lazy_attributes

if TYPE_CHECKING:
    from labelcodec.replay.batch_order import BatchOrder
    from labelcodec.replay.dataset import ReplayDataset
    from labelcodec.replay.expansion import expand
    from labelcodec.replay.replay_batch import ReplayBatch
    from labelcodec.replay.resident import ResidentLoader
    from labelcodec.replay.soft_labels import SoftLabels
    from labelcodec.replay.texts import Texts
    from labelcodec.replay.tokens import TokenBatch, TokenDataset

__all__ = [
    "BatchOrder",
    "ReplayBatch",
    "ReplayDataset",
    "ResidentLoader",
    "SoftLabels",
    "Texts",
    "TokenBatch",
    "TokenDataset",
    "expand",
]

_MODULES = {
    "BatchOrder": "batch_order",
    "ReplayBatch": "replay_batch",
    "ReplayDataset": "dataset",
    "ResidentLoader": "resident",
    "SoftLabels": "soft_labels",
    "Texts": "texts",
    "TokenBatch": "tokens",
    "TokenDataset": "tokens",
    "expand": "expansion",
}


def __getattr__(name: str) -> Any:
    return lazy_attributes(__name__, _MODULES, name)


def __dir__() -> list[str]:
    return sorted(__all__)
