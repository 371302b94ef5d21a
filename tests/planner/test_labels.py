"""Predictions against files that were measured; most of them are not in the planner's table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labelcodec.codecs.topk import measured as topk_measured
from labelcodec.codecs.topk.cost import tv4_of_largest
from labelcodec.codecs.transform import Transform
from labelcodec.codecs.transform import measured as transform_measured
from labelcodec.codecs.transform.cost import lost
from labelcodec.errors import ConfigError
from labelcodec.planner import Setting, predict
from labelcodec.planner.prediction import LABELS

ROOT = Path(__file__).parents[2]
RESULT = json.loads((ROOT / "benchmarks/results/planner.json").read_text())
FIXTURE = ROOT / "labelcodec/fixtures/in1k-two-batches"


def name(row: dict[str, Any]) -> str:
    sizes = "-".join(f"{key[0].upper()}{row[key]}" for key in ("classes", "images", "labels"))
    fitted = "" if row["fitted"] == row["labels"] else f"-fitted{row['fitted']}"
    return f"{row['codec']}-{sizes}{fitted}"


def predicted(row: dict[str, Any]):
    epochs = row["labels"] // row["images"]
    return predict(row["codec"], Setting(row["classes"], row["images"], epochs), 1)


def per_label(row: dict[str, Any], component: str) -> float:
    return row["components"].get(component, 0) / row["labels"]


@pytest.mark.parametrize("row", RESULT["checks"], ids=name)
def test_files_outside_the_table(row: dict[str, Any], monkeypatch) -> None:
    monkeypatch.setattr(Transform, "fit_labels", row["fitted"])
    found = predicted(row)
    order = "image index"  # the benchmark made it up where each label has an image of its own
    alike = row["classes"] == 1000 and row["labels"] <= 10_000
    assert found.bytes_total - found.components.get(order, 0) == pytest.approx(
        sum(row["components"].values()) - row["components"][order], rel=0.035 if alike else 0.09
    )
    assert found.tv4 == pytest.approx(row["tv4"], rel=0.05 if alike else 0.09)
    side = row["components"]["side information"]
    assert found.components["side information"] == pytest.approx(side, rel=0.35)


@pytest.mark.parametrize("row", RESULT["measured"], ids=name)
def test_table_is_the_benchmarks(row: dict[str, Any]) -> None:
    labels = per_label(row, "label index") + per_label(row, "label values")
    found = predicted(row)
    assert found.of(LABELS) / found.labels == pytest.approx(labels, rel=0.025)
    assert found.tv4 == pytest.approx(row["tv4"], rel=0.01)


def test_every_row_of_the_table_was_measured() -> None:
    tables = (topk_measured.TOPK, transform_measured.MEANS, transform_measured.NO_MEANS)
    rows = sum(len(rows) for table in tables for rows in table.values())
    assert rows + 1 == len(RESULT["measured"])  # and dense


def test_container_as_it_is_written(tmp_path) -> None:
    """F of the fixture: 1000 images, 128 + 104 samples."""
    import labelcodec
    from labelcodec.analysis.breakdown import stats as breakdown
    from labelcodec.planner.container import container_components, label_cost
    from labelcodec.planner.setting import Batches
    from labelcodec.transcode.encode_dump import encode

    encode(FIXTURE, tmp_path / "a.slc", codec="topk:k=50")
    with labelcodec.open(tmp_path / "a.slc") as reader:
        parts = breakdown(reader).components
        sizes = reader.index.samples.tolist()
    setting = Setting(1000, 1000, 1)
    kept = Batches(1, sizes[0], 1, sizes[1])
    found = container_components(label_cost("topk:k=50", setting, kept.labels), setting, kept)
    assert parts["image index"] == 0 and "image index" not in found
    for component in ("flip", "mix index", "mix ratio", "mix box"):
        assert found[component] == pytest.approx(parts[component], abs=6)
    assert found["crop"] == pytest.approx(parts["crop"], rel=0.1)


def test_float32_costs_its_mantissa_only_where_bits_are_kept() -> None:
    half, single = Setting(1000, 1000), Setting(1000, 1000, precision="float32")
    for spec, more in (("dense", 13 / 8 * 1000), ("topk:k=8", 13), ("topk:k=8,step=0.5", 0)):
        one, other = predict(spec, half, 1), predict(spec, single, 1)
        grown = (other.bytes_total - one.bytes_total) / one.labels
        assert grown == pytest.approx(more, abs=1e-3)


def test_qualities_are_met_and_cost_more_together_than_alone() -> None:
    setting = Setting(1000, 1000, 10)
    alone = [predict(f"transform:{one}", setting, 1) for one in ("tv4=0.08", "kl1=0.15")]
    both = predict("transform:tv4=0.08,kl1=0.15", setting, 1)
    assert both.tv4 == pytest.approx(0.08, rel=0.01)
    assert max(one.bytes_total for one in alone) < both.bytes_total
    loose = predict("transform:tv4=0.08,kl1=5", setting, 1)
    assert loose.bytes_total == alone[0].bytes_total


def test_images_seen_once_have_no_means() -> None:
    """Ten labels of each image are predicted from each other, those of ten images are not."""
    few, many = (
        predict("transform:tv4=0.08", Setting(1000, images, 10_000 // images), 1)
        for images in (1000, 10_000)
    )
    assert few.components["label values"] < 0.8 * many.components["label values"]
    side = [one.components["side information"] for one in (few, many)]
    assert side[0] > 1.3 * side[1]


@pytest.mark.parametrize(
    ("image_labels", "fitted", "share"),
    [(2, 0, 0.85), (10, 0, 0.29), (10, 1, 0), (3, 1, 0), (1e9, 1, 0.15), (1e9, 0, 0.15)],
)
def test_lost_gain_of_means(image_labels: float, fitted: float, share: float) -> None:
    assert lost(image_labels, fitted) == pytest.approx(share, abs=0.02)


def test_many_classes_are_held_to_the_synthetic_ones() -> None:
    result = json.loads((ROOT / "benchmarks/results/transform_large.json").read_text())
    count = result["chosen"]["sharing"]
    found = predict(result["codec"], Setting(10_450, count, 1), 1)
    assert found.basis == "files of synthetic labels"
    labels = found.of(LABELS) + found.components["side information"]
    assert labels / count == pytest.approx(
        sum(result["chosen"]["bytes_per_label"].values()), rel=0.15
    )
    assert found.tv4 == pytest.approx(result["fidelity"]["tv"]["4"], rel=0.1)


def test_fidelity_of_topk() -> None:
    assert tv4_of_largest(1000, 1000) == 0
    assert tv4_of_largest(900, 1000) is None  # more than were measured
    assert tv4_of_largest(50, 500) == tv4_of_largest(100, 1000)
    assert tv4_of_largest(10, 1000) < tv4_of_largest(1, 1000) < tv4_of_largest(1, 10_000) < 1


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("topk:k=1001", r"1\.\.1000"),
        ("topk:step=1", "give k"),
        ("transform:tv4=0.0001", "predictable for"),
        ("transform:bytes=0.1", r"bytes=0\.1 is beyond what was measured; predictable .*: [3-9]"),
        ("transform:bytes=5000", r"predictable for these labels: .*\.\.[12]\d\d$"),
        ("transform:kl2=0.1", "tv4=…,kl1=…"),
        ("transform:bytes=30,tv4=0.1", "only"),
        ("transform:rank=8,step=1,peaks=2", "only"),
        ("unknown", "unknown codec"),
    ],
)
def test_what_cannot_be_predicted(spec: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        predict(spec, Setting(1000, 1000), 1)
