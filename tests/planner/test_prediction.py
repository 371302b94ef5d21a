from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.errors import ConfigError
from labelcodec.planner import Prediction, Setting, pareto, predict
from labelcodec.planner.plot import plot_predictions as plot

ROOT = Path(__file__).parents[2]
SETTING = Setting(1000, 10_000)


def one(size: int, labels: int, tv4: float | None) -> Prediction:
    parts = {"label values": size}
    return Prediction("topk:k=5", 1, labels, 1, parts, 0, 1, 1.0, 1.0, 1.0, tv4, "measured files")


def test_rates() -> None:
    found = predict("lpqld:k=50", SETTING, 0.1)
    assert found.theoretical_rate == pytest.approx(100, rel=0.005)
    assert found.actual_rate == pytest.approx(86, rel=0.01)  # why actual falls behind: torch and F
    assert predict("sre2l", SETTING, 1).actual_rate == 1
    assert predict("sre2l", SETTING, 1).disk_rate == 1


def test_a_container_occupies_whole_blocks() -> None:
    planned = predict("dense", SETTING, 0.1)
    assert planned.disk_bytes % 4096 == 0
    assert 0 <= planned.disk_bytes - planned.bytes_total < 4096


def test_components_add_up_and_are_plain() -> None:
    for spec in ("sre2l", "lpld", "lpqld:k=10", "dense", "topk:k=10", "transform:bytes=30"):
        found = predict(spec, SETTING, 0.1).to_json()
        assert sum(found["components"].values()) == found["bytes_total"]
        assert found["labels_bytes"] + found["augmentation_bytes"] < found["bytes_total"]
        json.dumps(found, allow_nan=False)


def test_basis_says_where_a_figure_comes_from() -> None:
    assert predict("lpld", SETTING, 1).basis == "dump files"
    assert predict("dense", SETTING, 1).basis == "measured files"
    assert predict("dense", Setting(10450, 10_000), 1).basis == "beyond measured files"


def test_images() -> None:
    assert predict("dense", Setting(1000, 10_000, image_bytes=1.5), 1).images_bytes == 15_000


def test_pareto_wants_few_bytes_many_labels_and_fidelity() -> None:
    small, close, many = one(1, 1, 0.9), one(9, 1, 0.1), one(9, 5, 0.9)
    worse = one(9, 1, 0.9)
    assert pareto([small, worse, close, many]) == [small, close, many]


def test_unknown_fidelity_may_be_the_best_but_is_not_said_to_be() -> None:
    small, large, unknown = one(1, 1, 0.9), one(9, 1, 0.1), one(5, 1, None)
    assert pareto([small, large, unknown]) == [small]


@given(st.lists(st.tuples(*[st.integers(1, 4)] * 3), max_size=12))
def test_pareto_set_beats_all_others_and_none_of_its_own(marks) -> None:
    found = [one(*mark) for mark in marks]
    best = pareto(found)

    def beats(a: Prediction, b: Prediction) -> bool:
        gains = (b.bytes_total - a.bytes_total, a.labels - b.labels, b.tv4 - a.tv4)
        return min(gains) >= 0 and max(gains) > 0

    assert not any(beats(a, b) for a in found for b in best)
    assert all(any(beats(a, b) for a in best) for b in found if b not in best)


def test_png_is_written(tmp_path) -> None:
    target = tmp_path / "plan.png"
    plot([predict(spec, SETTING, 0.1) for spec in ("sre2l", "topk:k=10", "dense")], target)
    assert target.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def figures(monkeypatch) -> list:
    """Figures as they are saved."""
    from matplotlib.figure import Figure

    seen: list = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: seen.append(figure))
    return seen


@pytest.mark.parametrize("ipc", [10, 50])
def test_names_in_the_picture_overlap_neither_each_other_nor_a_mark(tmp_path, figures, ipc) -> None:
    setting, keeps = Setting(1000, 1000 * ipc), (1, 0.1, 0.025)
    specs = ("sre2l", "lpqld:k=50", "topk:k=100", "transform:bytes=20", "transform:bytes=30")
    plot([predict(s, setting, keep) for keep in keeps for s in specs], tmp_path / "plan.png")
    (axes,) = figures[0].axes
    names = {text.get_text(): text.get_window_extent() for text in axes.texts}
    assert set(names) == {spec.partition(":")[2] for spec in specs}
    marks = [line for line in axes.lines if line.get_marker() != "None" and len(line.get_xdata())]
    assert len(marks) == len(keeps) * len(specs)
    for name, box in names.items():
        others = [other for key, other in names.items() if key != name]
        assert not box.count_overlaps(others)
        assert not any(
            box.contains(*axes.transData.transform(line.get_xydata()[0])) for line in marks
        )


def test_picture_explains_marks_and_says_what_it_lacks(tmp_path, figures) -> None:
    plot([one(5, 1, 0.5), one(9, 1, None)], tmp_path / "plan.png")
    (axes,) = figures[0].axes
    assert axes.get_title(loc="left").endswith("not drawn, fidelity unknown: topk:k=5")
    (legend,) = figures[0].legends
    assert "topk" in [text.get_text() for text in legend.get_texts()]


def test_nothing_to_plot(tmp_path) -> None:
    with pytest.raises(ConfigError, match="nothing to plot"):
        plot([one(1, 1, None)], tmp_path / "plan.png")
    assert not list(tmp_path.iterdir())


def test_missing_matplotlib_says_how_to_get_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'labelcodec\[plot\]'"):
        plot([one(1, 1, 0.5)], tmp_path / "plan.png")


def test_core_hours_are_those_of_the_slowest_measured() -> None:
    """1285G of ImageNet-21K-P's labels at IPC 20, in the paper's units of 10^6 KiB."""
    result = json.loads((ROOT / "benchmarks/results/encode_cost.json").read_text())
    slowest: dict[str, float] = {}
    for rows in result["sets"].values():
        for spec, row in rows.items():
            name = spec.partition(":")[0]
            slowest[name] = max(slowest.get(name, 0), row["seconds_per_gigabyte"])
    setting = Setting(10_450, 209_000, batch_size=32, mix=None, cutout=True)
    for spec in ("dense", "dense2", "topk:k=50", "transform:bytes=30"):
        item = predict(spec, setting, 1)
        assert item.source_bytes == pytest.approx(1285e6 * 1024, rel=0.01)
        hours = item.source_bytes / 1e9 * slowest[spec.partition(":")[0]] / 3600
        assert item.core_hours == pytest.approx(hours, rel=0.01)
    assert predict("sre2l", setting, 1).core_hours is None
    assert predict("vq:bytes=16", SETTING, 0.1).core_hours is None
    tenth, all_ = (predict("dense", setting, keep).core_hours for keep in (0.1, 1))
    assert tenth == pytest.approx(all_ / 10, rel=0.01)
