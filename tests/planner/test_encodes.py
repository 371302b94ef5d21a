"""Predictions against encodes of real labels made here and now, so that a change is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import labelcodec
from labelcodec.analysis import compare_sets
from labelcodec.analysis.breakdown import stats as breakdown
from labelcodec.formats import open_dump
from labelcodec.planner import Setting, predict
from labelcodec.transcode.encode_dump import encode

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "in1k-sre2l"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data/in1k-sre2l is absent")
WHOLE_FILE, TV, SIDE = 0.03, 0.045, 0.35  # largest deviation; a finer basis or more peaks are alike


@pytest.fixture(scope="module")
def dumps(tmp_path_factory) -> dict[int, Path]:
    """The first three and all ten epochs."""
    few = tmp_path_factory.mktemp("dump")
    order = json.loads((DATA / "image_order.json").read_text())
    (few / "image_order.json").write_text(json.dumps(order[:3]))
    for i in range(3):
        (few / f"epoch_{i}").symlink_to(DATA.resolve() / f"epoch_{i}")
    return {3: few, 10: DATA}


@pytest.mark.parametrize("epochs", [3, 10])
@pytest.mark.parametrize(
    "spec",
    [
        "transform:bytes=24",
        "transform:tv4=0.09",
        "transform:kl1=0.2",
        "transform:tv4=0.09,kl1=0.2",
        "topk:k=15,step=0.2",
    ],
)
def test_whole_file_and_fidelity(dumps, tmp_path, spec: str, epochs: int) -> None:
    target = tmp_path / "labels.slc"
    encode(dumps[epochs], target, codec=spec)
    dump = open_dump(dumps[epochs])
    with labelcodec.open(target) as reader:
        real = breakdown(reader)
        distance = compare_sets([dump.read(i) for i in range(len(dump))], reader).fidelity
    found = predict(spec, Setting(1000, 1000, epochs), 1)
    assert found.labels == real.labels == 1000 * epochs
    assert found.bytes_total == pytest.approx(target.stat().st_size, rel=WHOLE_FILE)
    assert found.tv4 == pytest.approx(distance.tv[4.0], rel=TV)
    side = real.components["side information"]
    assert found.components["side information"] == pytest.approx(side, rel=SIDE)
