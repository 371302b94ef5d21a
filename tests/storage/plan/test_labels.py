"""Predictions against files that were measured; most of them are not in the planner's table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from labelcodec.errors import ConfigError
from labelcodec.storage.plan import Setting, measured, predict
from labelcodec.storage.plan.labels import topk_tv4
from labelcodec.storage.plan.predict import LABELS

ROOT = Path(__file__).parents[3]
RESULT = json.loads((ROOT / "benchmarks/results/planner.json").read_text())
FIXTURE = ROOT / "labelcodec/fixtures/in1k-two-batches"


def name(row: dict[str, Any]) -> str:
    return f"{row['codec']}-C{row['classes']}-N{row['labels']}"


def predicted(row: dict[str, Any]):
    return predict(row["codec"], Setting(row["classes"], 1000, row["labels"] // 1000), 1)


def per_label(row: dict[str, Any], component: str) -> float:
    return row["components"].get(component, 0) / row["labels"]


@pytest.mark.parametrize("row", RESULT["checks"], ids=name)
def test_files_outside_the_table(row: dict[str, Any]) -> None:
    found = predicted(row)
    assert found.bytes_total == pytest.approx(sum(row["components"].values()), rel=0.035)
    assert found.tv4 == pytest.approx(row["tv4"], rel=0.1)
    side = row["components"]["side information"]
    assert found.components["side information"] == pytest.approx(side, rel=0.35)


@pytest.mark.parametrize("row", RESULT["measured"], ids=name)
def test_table_is_the_benchmarks(row: dict[str, Any]) -> None:
    labels = per_label(row, "label index") + per_label(row, "label values")
    found = predicted(row)
    assert found.of(LABELS) / found.labels == pytest.approx(labels, rel=0.015)
    assert found.tv4 == pytest.approx(row["tv4"], abs=0.002)


def test_every_row_of_the_table_was_measured() -> None:
    rows = sum(map(len, measured.TOPK.values())) + len(measured.TRANSFORM) + 1  # and dense
    assert rows == len(RESULT["measured"])


def test_container_as_it_is_written(tmp_path) -> None:
    """F of the fixture: 1000 images, 128 + 104 samples."""
    import labelcodec
    from labelcodec.dumps.convert import encode
    from labelcodec.storage import breakdown
    from labelcodec.storage.plan.container import container_components
    from labelcodec.storage.plan.setting import Batches

    encode(FIXTURE, tmp_path / "a.slc", codec="topk:k=50")
    with labelcodec.open(tmp_path / "a.slc") as reader:
        parts = breakdown(reader).components
        sizes = reader.index.samples.tolist()
    setting = Setting(1000, 1000, 1)
    found, _ = container_components("topk:k=50", setting, Batches(1, sizes[0], 1, sizes[1]))
    for component in ("image index", "flip", "mix index", "mix ratio", "mix box"):
        assert found[component] == pytest.approx(parts[component], abs=6)
    assert found["crop"] == pytest.approx(parts["crop"], rel=0.1)


def test_float32_costs_its_mantissa_only_where_bits_are_kept() -> None:
    half, single = Setting(1000, 1000), Setting(1000, 1000, precision="float32")
    for spec, more in (("dense", 13 / 8 * 1000), ("topk:k=8", 13), ("topk:k=8,step=0.5", 0)):
        one, other = predict(spec, half, 1), predict(spec, single, 1)
        grown = (other.bytes_total - one.bytes_total) / one.labels
        assert grown == pytest.approx(more, abs=1e-3)


def test_quality_of_transform_is_turned_into_bytes() -> None:
    setting = Setting(1000, 10_000)
    asked = predict("transform:tv4=0.08", setting, 0.1)
    assert asked.tv4 == pytest.approx(0.08, abs=0.001)
    assert 25 < asked.components["label values"] * 1.5 / asked.labels < 50


def test_fidelity_of_topk() -> None:
    assert topk_tv4(1000, 1000) == 0
    assert topk_tv4(1, 1000) is None  # fewer than were measured
    assert topk_tv4(50, 500) == topk_tv4(100, 1000)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ("topk:k=1001", r"1\.\.1000"),
        ("topk:step=1", "give k"),
        ("transform:tv4=0.0001", "predictable here"),
        ("transform:kl1=0.1", "tv4"),
        ("transform:bytes=30,tv4=0.1", "alone"),
        ("transform:rank=8,step=1,peaks=2", "alone"),
        ("unknown", "unknown codec"),
    ],
)
def test_what_cannot_be_predicted(spec: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        predict(spec, Setting(1000, 1000), 1)
