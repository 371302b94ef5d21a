"""Text embeddings of class names, by the text tower of an open_clip encoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from labelcodec.errors import ConfigError
from labelcodec.pipeline.models import OPEN_CLIP, open_clip
from labelcodec.pipeline.projection.encoder import Encoder

PROMPT = "a photo of a {}."
AT_ONCE = 256  # prompts


@torch.no_grad()
def text_embeddings(encoder: Encoder, class_names: Sequence[str] | None) -> NDArray[np.float64]:
    """(C, d) unit-length embeddings of 'a photo of a NAME.', for the initial head.

    Args:
        encoder: an encoder 'open_clip/NAME'.
        class_names: names of the C classes; underscores are read as spaces.

    Raises:
        ConfigError: another encoder, no class names, or a tokenizer that is not there.
    """
    library, _, name = encoder.name.partition("/")
    if library != OPEN_CLIP:
        raise ConfigError(
            f"`head_init` 'text' needs an encoder {OPEN_CLIP}/NAME, {encoder.name} has no text "
            "tower; pass embeddings as a .safetensors file"
        )
    if class_names is None:
        raise ConfigError(
            "`head_init` 'text' needs the names of the classes, which these labels do not hold; "
            "pass embeddings as a .safetensors file"
        )
    try:
        tokenize = open_clip().get_tokenizer(name)
    except Exception as error:  # some towers download theirs
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"{encoder.name}: no tokenizer: {reason}") from None
    prompts = [PROMPT.format(class_name.replace("_", " ")) for class_name in class_names]
    tower: Any = encoder.model
    device = next(tower.parameters()).device
    parts = [
        tower.encode_text(tokenize(prompts[first : first + AT_ONCE]).to(device), normalize=True)
        for first in range(0, len(prompts), AT_ONCE)
    ]
    return torch.cat(parts).double().cpu().numpy()
