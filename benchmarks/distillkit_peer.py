"""DistillKit's logit compressor, run from a checkout of github.com/arcee-ai/DistillKit.

Its way: the k largest log-probabilities in order, the first few as floats, the others as the
coefficients of a curve fitted through them, and packed classes. Its checkout needs pydantic.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from distortion import Coded, Data

from labelcodec.batch import Labels

Terms = Sequence[int | str]
# The first two are the README's, recommended and its budget pick; the others vary them.
# Name; k; values kept as floats; terms of the curve; (bits, number) of residuals; t in 0..1.
SETTINGS: list[tuple[str, int, int, Terms, Sequence[tuple[int, int]], bool]] = [
    ("k=128, recommended", 128, 16, (0, 1, 2, 3, 4, "sqrt"), (), False),
    ("k=50, budget pick", 50, 1, (0, 1, "sqrt"), (), False),
    *((f"k={k}", k, k, (), (), False) for k in (3, 5, 10, 20)),
    *((f"k={k}, curve", k, 1, (0, 1, "sqrt"), (), True) for k in (10, 15, 20, 30)),
    ("k=80, curve", 80, 4, (0, 1, 2, "sqrt"), (), True),
    ("k=110, curve", 110, 4, (0, 1, 2, "sqrt"), (), True),
    ("k=50, residuals", 50, 1, (0, 1, "sqrt"), ((4, 16), (2, 32)), True),
    ("k=128, recommended, t in 0..1", 128, 16, (0, 1, 2, 3, 4, "sqrt"), (), True),
    ("k=128, residuals", 128, 16, (0, 1, 2, "sqrt"), ((8, 16), (2, 96)), True),
]


def why_not(checkout: Path | None) -> str | None:
    """What is missing to run it, if anything is."""
    if checkout is None or not (checkout / "distillkit").is_dir():
        return "give a checkout of github.com/arcee-ai/DistillKit with --distillkit PATH"
    return None if find_spec("pydantic") else "it needs pydantic, which is not installed"


def revision(checkout: Path) -> str:
    """The commit that a checkout is at."""
    command = ["git", "-C", str(checkout), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def distillkit(data: Data, checkout: Path) -> Iterator[Coded]:
    """Each setting twice: its missing classes at 0, and with the missing mass spread."""
    sys.path.insert(0, str(checkout))
    from distillkit.compression import (
        DistributionQuantizationConfig,
        LogprobCompressor,
        QuantizationBin,
    )
    from distillkit.compression.densify import densify
    from distillkit.missing_probability import MissingProbabilityHandling

    classes = data.truth.classes
    logprobs = torch.from_numpy(data.truth.value).float().log_softmax(dim=-1)[None]
    for name, k, exact_k, terms, residuals, normalised in SETTINGS:
        bins = [
            QuantizationBin(scale_dtype="float16", element_bits=bits, num_elements=many)
            for bits, many in residuals
        ]
        config = DistributionQuantizationConfig(
            d=classes, k=k, exact_k=exact_k, exact_dtype="bfloat16",
            polynomial_terms=list(terms), term_dtype="float32", residual_bins=bins,
            normalize_t=normalised,
            delta_encoding=False, error_diffusion=False,
        )  # fmt: skip
        codec = LogprobCompressor(config=config)
        stored = codec.compress(logprobs)
        parts = {part: float(tensor.shape[-1]) for part, tensor in stored.items()}
        index, value = codec.decompress_to_sparse(stored)
        for missing in MissingProbabilityHandling:
            dense = densify(index, value.float(), classes, missing)[0].numpy()
            labels = Labels(classes, dense)
            yield Coded("DistillKit", f"{name}, missing {missing.value}", parts, labels)
