"""The reference decoder, written from the specification, finds the library's logits."""

from __future__ import annotations

import numpy as np
import pytest

from labelcodec.batch import Labels
from labelcodec.codecs.transform import Transform
from spec.reference_decoder.transform import read_transform, transform_tables
from tests.codecs.transform.labels import batches, logits


@pytest.mark.parametrize("peaks", [0, 6])
@pytest.mark.parametrize("step", [0.1, 4])
def test_the_reference_decoder_agrees_to_the_bit(peaks, step):
    coder = Transform(rank=7, step=step, peaks=peaks).fit(batches(300, 50), 50)
    labels = Labels(50, logits(20, 50, 9))
    tables = transform_tables(coder.to_parts(), 50)
    streams = {int(key): part for key, part in coder.encode(labels).items()}
    header = {"classes": 50, "labels": {"space": "logits"}}
    found = read_transform(streams, 20, header, tables, {})["label_value"]
    np.testing.assert_array_equal(found, coder.compact(labels).dense())
