from __future__ import annotations

import numpy as np
import pytest

from labelcodec.analysis.rates import (
    pruning_factor,
    raw_bytes,
    sre2l_file_bytes,
    theoretical_rate,
)
from labelcodec.header import Header


@pytest.mark.parametrize(("samples", "on_disk"), [(128, 261661), (104, 213085)])
def test_file_size_is_that_of_the_real_dump(samples: int, on_disk: int) -> None:
    assert sre2l_file_bytes(samples, 1000, "cutmix") == on_disk


@pytest.mark.parametrize("mix", ["cutmix", "mixup", None])
@pytest.mark.parametrize(("samples", "classes"), [(128, 1000), (100, 10450)])
def test_file_size_follows_torch(tmp_path, mix, samples: int, classes: int) -> None:
    import torch

    index = torch.randperm(samples) if mix else None
    box = [np.int64(5)] * 4 if mix == "cutmix" else None
    parts = [
        torch.rand(samples, 4),
        torch.rand(samples) > 0.5,
        *(index, 0.5 if mix else None, box),
        torch.rand(samples, classes).half(),
    ]
    target = tmp_path / "batch_0.tar"
    torch.save(parts, target)
    assert sre2l_file_bytes(samples, classes, mix) == pytest.approx(target.stat().st_size, rel=1e-3)


def test_raw_bytes_is_one_file_a_batch() -> None:
    header = Header(1000, mix="cutmix")
    assert raw_bytes(header, [128] * 7 + [104]) == 7 * 261661 + 213085
    assert raw_bytes(header, []) == 0


def test_theoretical_rate_counts_two_numbers_a_kept_class() -> None:
    assert theoretical_rate(Header(1000), 5) == 1
    assert theoretical_rate(Header(1000, k=50, tail="zero"), 5) == 10


def test_pruning_multiplies_the_theoretical_rate() -> None:
    header = Header(1000, k=50, tail="zero", images=1000, epochs=300)
    assert pruning_factor(header, 30_000) == 10
    assert theoretical_rate(header, 30_000) == 100
    assert pruning_factor(Header(1000, images=1000), 30_000) is None
    assert pruning_factor(header, 0) is None
