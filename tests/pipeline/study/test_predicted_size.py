from __future__ import annotations

import pytest

from labelcodec.pipeline.study.cells import cells_of
from labelcodec.pipeline.study.predicted_size import predicted_bytes
from labelcodec.pipeline.study.study_file import load_study

BYTES_PER_LABEL = {"dense": 1436, "topk:k=50": 93}  # docs/benchmarks.md


@pytest.mark.parametrize(("keep", "labels"), [(1.0, 3_000_000), (0.1, 299_392)])
@pytest.mark.parametrize("codec", BYTES_PER_LABEL)
def test_sizes_are_those_of_seeded_labels(codec: str, keep: float, labels: int) -> None:
    changes = {"codec": codec, "relabel.keep": keep, "teacher.classes": 1000, "seed": 0}
    settings = cells_of(load_study("codecs-in1k", changes))[0].settings
    assert predicted_bytes(settings) == pytest.approx(BYTES_PER_LABEL[codec] * labels, rel=0.1)
    by_probability = cells_of(load_study("topk-ms-mr-in1k", {"teacher.classes": 1000}))[0]
    assert predicted_bytes(by_probability.settings) is None
