from __future__ import annotations

import json
from dataclasses import replace

import pytest

from labelcodec.pipeline.study.results import FIGURES, Result, Summary, summarised


def result(codec: str, seed: int, size: float, top1: float, **more) -> Result:
    figures = dict.fromkeys(FIGURES) | {"labels_bytes": size, "top1": top1, **more}
    return Result("s", None, {"codec": codec}, seed, codec, 1.0, "convnet", figures, {})


def test_mean_and_standard_error_over_seeds() -> None:
    first, second = summarised(
        [
            *(result("a", seed, 10, top1, loss=1.0) for seed, top1 in enumerate((0.5, 0.6, 0.7))),
            result("b", 0, 20, 0.4),
        ]
    )
    assert (first.seeds, second.seeds) == (3, 1)
    assert first.mean["top1"] == pytest.approx(0.6)
    assert first.standard_error["top1"] == pytest.approx(0.1 / 3**0.5)
    assert first.standard_error["loss"] == 0
    assert second.standard_error["top1"] is None and second.mean["loss"] is None
    assert json.dumps(first.to_json(), allow_nan=False)


def pareto(*points: tuple[float, float]) -> list[bool]:
    results = [result(str(i), 0, *point) for i, point in enumerate(points)]
    return [summary.pareto for summary in summarised(results)]


def test_the_pareto_set_is_what_nothing_smaller_beats() -> None:
    assert pareto((10, 0.5), (20, 0.6), (20, 0.55), (5, 0.4), (30, 0.6)) == [
        *(True, True, False, True, False),
    ]
    assert pareto((10, 0.5), (10, 0.5)) == [True, True]
    other = replace(result("o", 0, 5, 0.9), student="resnet20")
    more = result("m", 0, 5, 0.9, images=100)
    of_each = [result("a", 0, 10, 0.5), other, more]
    assert [summary.pareto for summary in summarised(of_each)] == [True] * 3


def test_titles() -> None:
    base = {"codec": "dense", "keep": 1.0, "student": "x", "seeds": 1, "mean": {}}
    made = Summary("row", {"codec": "dense", "relabel.keep": 0.1}, standard_error={}, **base)
    assert made.title == "row, dense, 0.1"
    assert Summary(None, {}, standard_error={}, **base).title == "dense"
