"""Labels that are a function of their images: who computes them, for codecs that store none."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import torch
from torch import nn

from labelcodec.batch import CompactLabels
from labelcodec.codecs.registry import CODECS
from labelcodec.errors import ConfigError
from labelcodec.plugins import imported
from labelcodec.reader import Reader


class Labeller(Protocol):
    """Computes the labels of a batch from its images."""

    def __call__(self, compact: CompactLabels, images: torch.Tensor) -> torch.Tensor:
        """(B, C) float32 logits.

        Args:
            compact: the labels as the file has them.
            images: (B, 3, H, W) float32 replayed and mixed images in 0..1, of the header's size.
        """


def labeller_for(
    reader: Reader,
    encoder: nn.Module | str | None,
    weights: Path | None,
    device: torch.device,
    *,
    autocast: str | None = None,
) -> Labeller | None:
    """The labeller of a label set; None if its files hold the labels.

    Args:
        reader: the label set.
        encoder: the encoder that its files name, as its user names it: a name as in
            `pipeline.models.build`, or a module. Nothing is imported because a file names it.
        weights: file of the encoder's weights; None for one that includes them.
        device: device of the encoder and the labels.
        autocast: 'float16' or 'bfloat16' for mixed precision; None for float32.

    Raises:
        ConfigError: an encoder for labels that need none.
        NeedsImagesError: labels that need an encoder, and none is named.
        MismatchError: another encoder than that of the labels.
    """
    entry = CODECS.find(reader.header.codec)
    if entry is None or entry.labeller is None:
        if encoder is not None or weights is not None:
            raise ConfigError(
                f"{reader.paths[0]}: holds its labels, codec {reader.header.codec}; `encoder` is "
                "for labels that are a function of their images"
            )
        return None
    labeller: Labeller = imported(entry.labeller)(reader, encoder, weights, device, autocast)
    return labeller
