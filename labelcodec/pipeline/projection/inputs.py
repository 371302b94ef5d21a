"""Inputs of an encoder: replayed images resized and normalised, and the probe image."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from labelcodec.codecs.projector.encoder_facts import EncoderFacts
from labelcodec.replay.normalisation import mean_and_std


def encoder_inputs(images: torch.Tensor, facts: EncoderFacts) -> torch.Tensor:
    """Inputs of the encoder (SPEC, PJ-9).

    Args:
        images: (B, 3, H, W) float32 replayed and mixed images in 0..1.
        facts: the encoder's input size and normalisation.

    Returns:
        (B, 3, height, width) float32 on the same device.
    """
    if images.shape[2:] != (facts.height, facts.width):
        images = F.interpolate(
            images, (facts.height, facts.width), mode="bilinear", align_corners=False
        )
    mean, std = mean_and_std({"mean": facts.mean, "std": facts.std}, images.device)
    return (images - mean) / std


def probe_image(facts: EncoderFacts, device: torch.device) -> torch.Tensor:
    """(1, 3, height, width) float32 probe in 0..1 (SPEC, PJ-10)."""
    colour = torch.arange(3, device=device)[:, None, None]
    row = torch.arange(facts.height, device=device)[:, None]
    column = torch.arange(facts.width, device=device)
    levels = (7 * row + 11 * column + 13 * colour + row * column) % 256
    return (levels / 255)[None].float()
