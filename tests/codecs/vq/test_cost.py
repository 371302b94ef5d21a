"""The cost model of vq, against the committed measurements."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from labelcodec.codecs.vq.codec import Vq
from labelcodec.codecs.vq.cost import MEASURED, cost
from labelcodec.errors import ConfigError
from labelcodec.planner.setting import Setting

ROWS = [
    row
    for row in json.loads(Path("benchmarks/results/vq_rates.json").read_text())["rows"]
    if row["teacher"] == "SqueezeNet"
]
SETTING = Setting(classes=1000, images=1000)


def measured(codes: int) -> dict:
    return next(row for row in ROWS if row["codec"] == f"vq:codes={codes}")


@pytest.mark.parametrize("row", MEASURED, ids=lambda row: str(row.codes))
def test_the_table_is_the_benchmarks(row) -> None:
    found = measured(row.codes)
    assert row.streams == pytest.approx(found["streams"], abs=1e-4)
    assert row.tv4 == pytest.approx(found["unseen"]["tv"]["4"], abs=1e-5)


@pytest.mark.parametrize("codes", [row.codes for row in MEASURED])
def test_sizes_are_near_the_measured_ones(codes) -> None:
    predicted = cost(Vq(codes=codes), SETTING, 3_000_000)
    found = measured(codes)
    assert predicted.values == pytest.approx(found["streams"], rel=1e-3)
    assert predicted.side == pytest.approx(found["side_information"], rel=0.1)
    assert predicted.tv4 == pytest.approx(found["unseen"]["tv"]["4"], abs=1e-5)


@pytest.mark.parametrize("labels", [100_000, 3_000_000])
@pytest.mark.parametrize("budget", [6.0, 16.0])
def test_a_budget_holds_streams_and_tables(labels, budget) -> None:
    predicted = cost(Vq(bytes=budget), SETTING, labels)
    spent = predicted.values + predicted.side / labels
    assert budget - 1.2 < spent <= budget


def test_fewer_labels_get_fewer_codewords() -> None:
    few, many = (cost(Vq(codes=8), SETTING, labels) for labels in (500, 100_000))
    assert few.side < many.side and few.values < many.values


@pytest.mark.parametrize(
    ("codec", "labels"),
    [
        (Vq(kl1=0.3), 10**6),
        (Vq(codes=4, tau=4.0), 10**6),
        (Vq("autoencoder", codes=4), 10**6),
        (Vq(bytes=8.0), 5000),
    ],
)
def test_what_cannot_be_predicted(codec, labels) -> None:
    with pytest.raises(ConfigError):
        cost(codec, SETTING, labels)
