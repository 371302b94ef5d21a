"""A rebuild of the loader that SRe2L and LPQLD train with, for comparison.

One image a sample through Pillow and torchvision's tensor steps, stacked by torch's collation; the
batch's file through torch.load; then the batch mixed. Only its fetching differs: theirs patches
torch's fetcher so that the sampler's list of indices finds its file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, default_collate

from labelcodec.images import list_images


class PeerDataset(Dataset[Any]):
    """Batches of an LPQLD dump: (images, hard, flip, coordinates, index), then the file's rest."""

    def __init__(self, dump: Path, images: Path, normalisation: Mapping[str, Any]) -> None:
        self.listing = list_images(images)
        order = json.loads((dump / "sampler_indices_batch.json").read_text())
        self.batches = [order[key] for key in sorted(order, key=int)]
        self.dump = dump
        shape = (3, 1, 1)
        self.mean = torch.tensor(normalisation["mean"]).view(shape)
        self.std = torch.tensor(normalisation["std"]).view(shape)

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> Any:
        saved = torch.load(self.dump / f"batch_{number}.tar", weights_only=False)
        coords, flip, partner, ratio, box, value, index = saved
        samples = [
            self.sample(place, coords[i], bool(flip[i]))
            for i, place in enumerate(self.batches[number])
        ]
        images, hard = default_collate(samples)
        row0, column0, row1, column1 = map(int, box)
        mixed = images.clone()
        pasted = images[partner.long(), :, row0:row1, column0:column1]
        mixed[:, :, row0:row1, column0:column1] = pasted
        return mixed, hard, ratio, value, index

    def sample(self, place: int, coords: torch.Tensor, flip: bool) -> tuple[torch.Tensor, int]:
        """One image as torchvision's PIL path makes it."""
        with (self.listing.root / self.listing.paths[place]).open("rb") as file:
            image = Image.open(file).convert("RGB")
        width, height = image.size
        top, left, rows, columns = (
            float(coords[0]) * height,
            float(coords[1]) * width,
            float(coords[2]) * height,
            float(coords[3]) * width,
        )
        image = image.crop((left, top, left + columns, top + rows))
        image = image.resize((224, 224), Image.Resampling.BILINEAR)
        if flip:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        tensor = torch.from_numpy(np.array(image, np.uint8, copy=True))
        tensor = tensor.permute(2, 0, 1).contiguous().to(torch.float32).div(255)
        return tensor.sub_(self.mean).div_(self.std), int(self.listing.class_index[place])


def peer_loader(data: PeerDataset, workers: int) -> DataLoader[Any]:
    """Batches in recorded order."""
    return DataLoader(data, batch_size=None, sampler=range(len(data)), num_workers=workers)
