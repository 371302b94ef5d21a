"""The built-in studies: their cells, and the settings that the paper's tables give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from labelcodec.pipeline.study.cells import Cell, cells_of
from labelcodec.pipeline.study.study_file import load_study, study_names

CELLS = {
    "ablation-cifar10": 3 * (5 * 4 + 4 * 2),
    "ablation-in1k": 3 * (5 * 4 + 4 * 2),
    "codecs-in1k": 3 * 12,
    "codecs-omniglot242": 3 * 13,
    "cross-arch-cifar10": 2 * 5 * 3,
    "cross-arch-in1k": 3 * 5 * 5,
    "pareto-in1k": 3 * 2 * 3 * 8,
    "pareto-omniglot242": 3 * 3 * 8,
    "topk-ms-mr-in1k": 3 * 2 * (4 + 4 + 1 + 2),
    "topk-ms-mr-omniglot242": 3 * (4 + 4 + 2 + 2),
}
REUSE = {"kind": "step", "first": 20.0, "last": 2.0, "factor": 0.7, "every": 0.1}


def cells(name: str) -> list[Cell]:
    return cells_of(load_study(name))


def rows(name: str, of: Callable[[Cell], Any]) -> dict[str | None, list[Any]]:
    """Row -> values of its cells, each once, in order."""
    values: dict[str | None, list[Any]] = {}
    for cell in cells(name):
        seen = values.setdefault(cell.row, [])
        if of(cell) not in seen:
            seen.append(of(cell))
    return values


def labels(cell: Cell) -> tuple[float, str]:
    return cell.settings.relabel.keep, cell.settings.codec


def test_every_study_is_listed() -> None:
    assert study_names() == sorted(CELLS)
    topics = {name.rpartition("-")[0] for name in CELLS}
    assert topics == {"ablation", "pareto", "cross-arch", "topk-ms-mr", "codecs"}
    assert {f"{topic}-in1k" for topic in topics} <= set(CELLS)


@pytest.mark.parametrize("name", CELLS)
def test_number_of_cells(name: str) -> None:
    made = cells(name)
    assert len(made) == CELLS[name]
    assert load_study(name).about
    spans = name in ("cross-arch-cifar10",)
    assert {cell.settings.seed for cell in made} == set(range(2 if spans else 3))


@pytest.mark.parametrize("name", CELLS)
def test_every_row_of_top_k_has_one_of_transform_beside_it(name: str) -> None:
    families: dict[Any, set[str]] = {}
    for cell in cells(name):
        schedule = cell.settings.train.temperature.kind, cell.settings.train.calibrated
        where = schedule if name.startswith("ablation") else None
        families.setdefault(where, set()).add(cell.settings.codec.partition(":")[0])
    assert all("transform" in each for each in families.values() if "topk" in each)


@pytest.mark.parametrize("name", [name for name in CELLS if name.endswith("-in1k")])
def test_settings_of_imagenet_are_those_of_tables_xi_to_xiii(name: str) -> None:
    for cell in cells(name):
        made = cell.settings
        assert made.teacher.model == "torchvision/resnet18"
        assert (made.squeeze.batch_size, made.squeeze.epochs) == (256, 1)
        recover = made.recover
        assert recover is not None
        assert (recover.iterations, recover.learning_rate, recover.alpha) == (4000, 0.25, 0.01)
        assert recover.init == "noise"
        relabel = made.relabel
        assert (made.epochs, relabel.batch_size, relabel.mix) == (300, 128, "cutmix")
        assert (relabel.scale, relabel.flip) == ((0.08, 1.0), 0.5)
        train = made.train
        assert (train.epochs, train.optimizer, train.learning_rate) == (300, "adamw", 1e-3)
        assert (train.ema, train.stretch, train.loss) == (0, 1, "kl")


@pytest.mark.parametrize("name", ["ablation-in1k", "ablation-cifar10"])
def test_the_seven_rows_of_table_vii(name: str) -> None:
    def of(cell: Cell) -> Any:
        made, train = cell.settings, cell.settings.train
        schedule = vars(train.temperature)
        reuse = schedule == REUSE or (schedule["kind"] == "constant" and None)
        assert reuse or train.temperature.first == 20
        assert made.recover is not None
        return made.recover.method, train.order, bool(reuse), train.calibrated

    measured = {name: only for name, (only,) in rows(name, of).items()}
    top, transform = (
        [settings for row, settings in measured.items() if row and row.endswith(codec)]
        for codec in ("top-k", "transform")
    )
    assert list(measured.values())[:5] == [
        ("sre2l", "epoch", False, False),
        ("classwise", "epoch", False, False),
        ("lpld", "epoch", False, False),
        ("lpld", "pool", False, False),
        ("lpld", "pool", True, False),
    ]
    assert top == transform == [("lpld", "pool", True, False), ("lpld", "pool", True, True)]


def test_rates_of_table_vii() -> None:
    measured = list(rows("ablation-in1k", labels).values())
    columns = [(1.0, "dense"), (0.1, "dense"), (0.02, "dense"), (0.01, "dense")]
    assert measured[:5] == [columns] * 5
    assert measured[5] == measured[7] == [(0.1, "topk:k=100"), (0.1, "topk:k=50")]
    assert {cell.settings.recover.ipc for cell in cells("ablation-in1k")} == {50}


def test_table_ix() -> None:
    assert rows("cross-arch-in1k", labels) == {
        "1x": [(1.0, "dense")],
        "30x": [(1 / 30, "dense")],
        "40x": [(0.1, "topk:k=100")],
        "80x": [(0.1, "topk:k=50")],
        "transform": [(0.1, "transform:bytes=20")],
    }
    students = {cell.settings.train.model.partition("/")[2] for cell in cells("cross-arch-in1k")}
    assert students == {"resnet18", "resnet50", "efficientnet_b0", "mobilenet_v2", "swin_v2_t"}


def test_table_x() -> None:
    def of(cell: Cell) -> Any:
        return (cell.settings.relabel.space, *labels(cell))

    measured = rows("topk-ms-mr-in1k", of)
    ks = (50, 25, 5, 1)
    assert measured["MS"] == [("probabilities", 1.0, f"topk:k={k},tail=uniform") for k in ks]
    assert measured["MR"] == [("probabilities", 1.0, f"topk:k={k}") for k in ks]
    assert measured["LPQLD"] == [("logits", 0.1, "topk:k=100")]
    ipcs = [cell.settings.recover.ipc for cell in cells("topk-ms-mr-in1k")]
    assert set(ipcs) == {10, 50}


def test_figures_12_and_13() -> None:
    (measured,) = rows("pareto-in1k", labels).values()
    assert {keep for keep, _ in measured} == {1 / 5, 1 / 10, 1 / 20}
    ks = {codec for _, codec in measured if codec.startswith("topk")}
    assert ks == {f"topk:k={k}" for k in (250, 100, 50, 10)}  # Table XIV
