from __future__ import annotations

import math
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.call import call

BASE = ("plan", "--classes", 1000, "--ipc", 10)


def test_several_codecs_and_fractions_by_default(capsys) -> None:
    found = call(capsys, *BASE)
    assert found.status == 0
    assert found.err == ""
    assert "10 000 images of 16.0 kB (assumed), 160.0 MB in total" in found.out
    for text in ("Predicted", "sre2l", "lpqld:k=50", "* transform:bytes=30", "0.025"):
        assert text in found.out


def test_json_has_setting_predictions_and_the_pareto_set(capsys) -> None:
    specs = ("--codec", "topk:k=50", "--codec", "transform:bytes=30")
    found = call(capsys, *BASE, "--keep", 0.05, *specs, "--json").json()
    assert found["setting"]["images"] == 10_000
    assert [one["codec"] for one in found["predicted"]] == ["topk:k=50", "transform:bytes=30"]
    assert [one["pareto"] for one in found["predicted"]] == [False, True]
    assert {one["labels"] for one in found["predicted"]} == {1170 * 128}


def test_the_paper_s_counts(capsys) -> None:
    """arXiv 2604.18135: 580M, 29M and 202x of Table IV; Tables VI and XIX."""
    args = (*BASE, "--keep", 0.1, "--codec", "lpqld", "--codec", "lpqld:k=10")
    counts = call(capsys, *args, "--json").json()
    assert [math.ceil(row["disk_bytes"] / 2**20) for row in counts["predicted"]] == [580, 29]
    assert counts["predicted"][1]["disk_rate"] == pytest.approx(202, rel=0.01)
    assert counts["serialized_batch_bytes"]["crop"] == 2224
    assert counts["resnet18_bytes"]["class_statistics"] == 38_400_000
    table = call(capsys, *args).out
    for text in ("MiB on disk", " 580 ", " 29 ", "203.8x", "crop 2 224 B", "36.62 MiB"):
        assert text in table


def test_few_classes_leave_the_larger_k_out(capsys) -> None:
    found = call(capsys, "plan", "--classes", 20, "--ipc", 10)
    assert found.status == 0
    assert "k=10" in found.out
    assert "k=50" not in found.out
    assert "beyond the measured range" in found.err
    assert "topk:k=50, transform:bytes=60" in found.err


def test_imagenet_21k_says_what_its_figures_rest_on(capsys, tmp_path) -> None:
    args = ("--classes", 10450, "--ipc", 10, "--batch-size", 32, "--mix", "none", "--cutout")
    found = call(capsys, "plan", *args, "--plot", tmp_path / "plan.png")
    assert "* transform:bytes=20" in found.out
    assert "* topk" not in found.out
    assert "measured on synthetic labels only" in found.err


def test_unknown_fidelity_is_named_and_nothing_starred_over_it(capsys) -> None:
    specs = ("--codec", "topk:k=50", "--codec", "topk:k=10,tail=floor")
    found = call(capsys, *BASE, "--keep", 1, *specs)
    assert "*" not in found.out
    assert "topk:k=10,tail=floor: TV unknown" in found.err


def test_images_are_counted_and_measured(capsys, tmp_path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "0.png")
    sizes = sum(path.stat().st_size for path in tmp_path.rglob("*.png"))
    args = ("plan", "--classes", 200, "--images", tmp_path, "--codec", "dense", "--json")
    found = call(capsys, *args).json()
    assert found["setting"]["images"] == 2
    assert {one["images_bytes"] for one in found["predicted"]} == {sizes}


def test_plot(capsys, tmp_path) -> None:
    assert call(capsys, *BASE, "--plot", tmp_path / "plan.png").status == 0
    assert (tmp_path / "plan.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        (("--classes", 10), "--ipc or --images"),
        (("--classes", 10, "--ipc", 1, "--images", "x"), "--ipc or --images"),
        (("--classes", 10, "--ipc", 1, "--codec", "topk:k=50"), "k"),
        (("--classes", 10, "--ipc", 1, "--keep", 7), "keep is 7"),
        (("--classes", 10**9, "--ipc", 1), "holds up to 1048576"),
        (("--classes", 1000, "--ipc", 1, "--codec", "transform:bytes=0.1"), "predictable"),
        (("--classes", 10, "--ipc", 1, "--codec", "transform:bytes=5000"), "predictable"),
        (("--ipc", 1), "--classes"),
    ],
)
def test_mistakes_in_the_call(capsys, args, problem: str) -> None:
    found = call(capsys, "plan", *args)
    assert found.status == 2
    assert problem in found.err
    assert found.err.count("\n") == 1


def test_hours_and_machines_are_those_of_the_documentation(capsys) -> None:
    args = ("--classes", 10450, "--ipc", 20, "--batch-size", 32, "--mix", "none", "--cutout")
    specs = ("dense", "topk:k=50", "transform:bytes=30")
    codecs = [word for spec in specs for word in ("--codec", spec)]
    shown = call(capsys, "plan", *args, "--keep", 1, *codecs)
    assert "1.3 TB of files take 40.6 min on 1 machine, 5.1 min on 8 machines" in shown.out
    page = (Path(__file__).parents[2] / "docs/planning.md").read_text()
    rows = call(capsys, "plan", *args, "--keep", 1, *codecs, "--json").json()["predicted"]
    for row in rows:
        (line,) = (line for line in page.splitlines() if line.startswith(f"| `{row['codec']}` |"))
        _, _, size, hours, time, _ = (cell.strip() for cell in line.split("|"))
        assert size == f"{row['bytes_total'] / 1e9:.1f} GB"
        assert float(hours) == pytest.approx(row["core_hours"], abs=0.005)
        amount, unit = time.split()
        seconds = float(amount) * {"s": 1, "min": 60}[unit]
        assert seconds == pytest.approx(row["core_hours"] * 3600 / 128, rel=0.01)


def test_core_hours_that_are_not_known(capsys) -> None:
    codecs = ("--codec", "sre2l", "--codec", "vq:bytes=16")
    shown = call(capsys, *BASE, "--keep", 0.1, *codecs)
    assert "core-hours: " not in shown.out
    rows = call(capsys, *BASE, "--keep", 0.1, *codecs, "--json").json()["predicted"]
    assert [row["core_hours"] for row in rows] == [None, None]
