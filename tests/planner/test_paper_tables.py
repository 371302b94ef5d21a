"""Storage and rates of arXiv 2604.18135 (LPQLD), Tables IV, V, VI, XIV, XVIII and XIX.

The paper gives disk usage in blocks of 4 KiB as `du` prints it: rounded up, M = 2^20, G = 2^30.
Pruned full labels of every method, also SRe2L's and CDA's, are the files of LPQLD's code. Rates are
quotients of the printed sizes. Exceptions are listed with what they are.
"""

from __future__ import annotations

import io
import math
import zipfile
from itertools import pairwise

import numpy as np
import pytest

from labelcodec.planner import Prediction, Setting, predict
from labelcodec.planner.class_statistics import resnet18, statistics_bytes, weights_bytes
from labelcodec.planner.peers import dump_components, written_batches
from labelcodec.planner.serialized import serialized_parts
from labelcodec.planner.setting import kept_batches

M, G = 2**20, 2**30
SPAN = 0.03

# Table IV: column -> what was stored, fraction of epochs, unit of the printed figure. The column
# 570M .. 11 400M holds LPLD's figures in GB, 0.57 .. 11.4 (of 2^30 bytes), times 1000: a slip.
FULL, P10_LPLD = ("sre2l", 1, M), ("lpld", 0.1, G / 1000)
P10, P20, P40 = ("lpqld", 0.1, M), ("lpqld", 0.05, M), ("lpqld", 0.025, M)
K250, K100, K50, K10 = ((f"lpqld:k={k}", 0.1, M) for k in (250, 100, 50, 10))
COLUMNS = (FULL, P10, P10_LPLD, P20, K250, P40, K100, K50, K10)
STORAGE = {  # IPC: M
    10: (5862, 580, 570, 310, 300, 145, 129, 74, 29),
    20: (11722, 1167, 1140, 623, 604, 292, 259, 150, 59),
    50: (29302, 2928, 2850, 1562, 1515, 733, 649, 375, 147),
    100: (58606, 5871, 5700, 3132, 3038, 1468, 1301, 752, 295),
    200: (117208, 11753, 11400, 6269, 6082, 2939, 2606, 1509, 594),
}
PRUNED_RATES = ((P10, 10), (P10_LPLD, 10), (P20, 19), (P40, 40))  # IPC 10
TOP_K_RATES = {  # IPC: top-250, 100, 50, 10; Table XIV has the same, but see the slip below
    10: (20, 45, 79, 202),
    20: (19, 45, 78, 199),
    50: (19, 45, 78, 199),
    100: (19, 45, 78, 199),
    200: (19, 45, 78, 197),
}

# Tables V and XVIII: (IPC, base pruning) -> k -> (G or None, rate).
IN21K = {
    (10, 0.1): {500: ("6.4", 100), 100: ("1.6", 402), 50: ("1.2", 536)},
    (10, 0.05): {1000: ("6.6", 97), 200: ("1.6", 402), 100: ("0.8", 775)},
    (10, 0.025): {2000: ("6.0", 107), 400: ("1.3", 495), 200: ("0.8", 835)},
    (20, 0.1): {500: ("13", 99), 100: ("3.1", 414), 50: ("2.3", 559)},
    (20, 0.05): {1000: ("14", 92), 200: ("3.3", 389), 100: ("1.7", 756)},
    (20, 0.025): {2000: ("12", 107), 400: ("2.7", 476), 200: ("1.6", 803)},
}
# Full labels, and pruned ones without top-k, are in units of 10^6 KiB there.
MIXED = 1000 * 1000 * 1024
IN21K_UNQUANTISED = {
    10: (("sre2l", 1, "643"), ("lpqld", 0.1, "65"), ("lpqld", 0.025, "16")),
    20: (("sre2l", 1, "1285"), ("lpqld", 0.1, "129"), ("lpqld", 0.025, "32")),
}
# Known slips: rates that divide a size of the one unit by one of the other, 4.9 % too high, where
# rounding up does not hide it; with the rate of equal units.
MIXED_RATES = {
    (10, 0.1, 500): 96.8,
    (10, 0.05, 1000): 93.6,
    (10, 0.05, 200): 384.3,
    (10, 0.025, 2000): 103.1,
    (10, 0.025, 400): 469.6,
    (20, 0.1, 50): 539.0,
    (20, 0.025, 2000): 103.0,
}


def in1k(ipc: int, spec: str, keep: float) -> Prediction:
    return predict(spec, Setting(1000, 1000 * ipc), keep)


def in21k(ipc: int, spec: str, keep: float) -> Prediction:
    setting = Setting(10450, 10450 * ipc, batch_size=32, mix=None, cutout=True)
    return predict(spec, setting, keep)


def half_a_unit(printed: str) -> float:
    return 0.5 * 10.0 ** -len(printed.partition(".")[2])


def agrees(value: float, printed: str | float) -> bool:
    """Within 3 % or half a unit of the printed figure."""
    figure = float(printed)
    return abs(value - figure) <= max(SPAN * figure, half_a_unit(str(printed)))


def rounds_up_to(value: float, printed: str) -> bool:
    """Whether `du` prints the figure: digits that are left out round up."""
    return 0 <= float(printed) - value < 2 * half_a_unit(printed)


@pytest.mark.parametrize("ipc", STORAGE)
def test_table_4_storage(ipc: int) -> None:
    for (spec, keep, unit), printed in zip(COLUMNS, STORAGE[ipc], strict=True):
        size = in1k(ipc, spec, keep).disk_bytes / unit
        # Far closer than 3 %: what is left are the folders' own blocks, and LPLD's two digits.
        span = 0.008 if spec == "lpld" else 0.004
        assert math.ceil(size) == pytest.approx(printed, rel=span), (spec, keep)


@pytest.mark.parametrize("ipc", STORAGE)
def test_lpld_read_as_mebibytes(ipc: int) -> None:
    """Known slip: read as 2^20 bytes, the column 10x of LPLD is 2.8 to 3.1 % too low."""
    size = in1k(ipc, "lpld", 0.1).disk_bytes / M
    assert 1.028 < size / STORAGE[ipc][COLUMNS.index(P10_LPLD)] < 1.032


@pytest.mark.parametrize(("column", "rate"), PRUNED_RATES)
def test_table_4_rates_of_pruning(column: tuple[str, float, float], rate: int) -> None:
    assert agrees(in1k(10, *column[:2]).disk_rate, rate)


@pytest.mark.parametrize("ipc", TOP_K_RATES)
def test_tables_4_and_14_rates_of_top_k(ipc: int) -> None:
    for (spec, keep, _), rate in zip((K250, K100, K50, K10), TOP_K_RATES[ipc], strict=True):
        assert agrees(in1k(ipc, spec, keep).disk_rate, rate), spec


def test_table_14_contradicts_table_4_once() -> None:
    """Known slip: top-100 at IPC 10 is 40x in Table XIV, and 45x in Table IV."""
    rate = in1k(10, "lpqld:k=100", 0.1).disk_rate
    assert not agrees(rate, 40)
    assert rate == pytest.approx(45.8, abs=0.1)


@pytest.mark.parametrize("ipc", IN21K_UNQUANTISED)
def test_table_5_without_top_k(ipc: int) -> None:
    for spec, keep, printed in IN21K_UNQUANTISED[ipc]:
        size = in21k(ipc, spec, keep).disk_bytes
        assert size / MIXED == pytest.approx(float(printed), rel=0.011), spec
    full = in21k(ipc, "sre2l", 1).disk_bytes / G  # known slip: 643G, 1285G are no gibibytes
    assert not agrees(full, IN21K_UNQUANTISED[ipc][0][2])
    assert full == pytest.approx({10: 616.6, 20: 1233.3}[ipc], abs=0.1)


@pytest.mark.parametrize(("ipc", "keep"), IN21K)
def test_table_5_top_k(ipc: int, keep: float) -> None:
    for k, (printed, _) in IN21K[ipc, keep].items():
        size = in21k(ipc, f"lpqld:k={k}", keep).disk_bytes / G
        assert agrees(size, printed) or rounds_up_to(size, printed), k


@pytest.mark.parametrize(("ipc", "keep"), IN21K)
def test_table_18(ipc: int, keep: float) -> None:
    for k, (_, printed) in IN21K[ipc, keep].items():
        rate = in21k(ipc, f"lpqld:k={k}", keep).disk_rate
        if (ipc, keep, k) in MIXED_RATES:
            assert not agrees(rate, printed), k
            assert rate == pytest.approx(MIXED_RATES[ipc, keep, k], rel=0.001)
            assert agrees(rate * G / MIXED, printed), k
        else:
            assert agrees(rate, printed), k


TABLE_6 = {
    "crop": 2224,
    "flip": 1328,
    "mix index": 1328,
    "mix ratio": 880,
    "mix box": 1904,
    "label values": 257200,
}


@pytest.mark.parametrize("part", TABLE_6)
def test_table_6(part: str) -> None:
    sizes = serialized_parts(Setting(1000, 10_000))
    assert set(sizes) == set(TABLE_6)
    assert sizes[part] == pytest.approx(TABLE_6[part], abs=2)


def test_share_of_the_logits() -> None:
    """Known slip: Table VI gives the logits 98.94 % of the batch, its own bytes 97.1 %."""
    sizes = serialized_parts(Setting(1000, 10_000))
    assert sizes["label values"] / sum(sizes.values()) == pytest.approx(0.971, abs=0.0005)


def test_500_times_in_theory_is_198_times() -> None:
    """F is 20 MB of 30 MB, counted by its serialized parts and the file of image indices."""
    setting = Setting(1000, 10_000)
    planned = in1k(10, "lpqld:k=10", 0.1)
    assert planned.theoretical_rate == pytest.approx(500, rel=0.005)
    assert planned.disk_rate == pytest.approx(198, rel=SPAN)
    kept = kept_batches(setting, 0.1)
    parts = dump_components("lpqld", 10, setting, kept)
    numbers = parts["label values"] + parts["label index"]
    serialized = serialized_parts(setting, 10)
    of_f = sum(size for part, size in serialized.items() if not part.startswith("label "))
    assert of_f == pytest.approx(7664, abs=2)
    augmentation = written_batches("lpqld", setting, kept).count * of_f + parts["image index"]
    assert augmentation / 1e6 == pytest.approx(20, rel=SPAN)
    assert (augmentation + numbers) / M == pytest.approx(30, rel=SPAN)
    full = in1k(10, "sre2l", 1).disk_bytes
    assert full / (augmentation + numbers) == pytest.approx(198, rel=SPAN)


def test_parts_follow_torch() -> None:
    import torch

    size, setting = 128, Setting(1000, 10_000)
    edges = [torch.tensor(edge, dtype=torch.uint8) for edge in range(4)]
    values = {
        "crop": torch.rand(size, 4).half(),
        "flip": torch.rand(size) > 0.5,
        "mix index": torch.ones(size, dtype=torch.uint8),
        "mix ratio": 0.5,
        "mix box": edges,
        "label values": torch.rand(size, 50).half(),
        "label index": torch.ones(size, 50, dtype=torch.int16),
    }
    sizes = serialized_parts(setting, 50)
    assert set(sizes) == set(values)
    for part, value in values.items():
        torch.save(value, file := io.BytesIO())
        newer = bytes_of_records(file, (".format_version", ".storage_alignment"))
        assert sizes[part] == pytest.approx(len(file.getvalue()) - newer, abs=24), part


def bytes_of_records(file: io.BytesIO, names: tuple[str, ...]) -> int:
    """Bytes of records in a zip file that others follow, with their entries in its directory."""
    entries = sorted(zipfile.ZipFile(file).infolist(), key=lambda entry: entry.header_offset)
    return sum(
        following.header_offset - entry.header_offset + 46 + len(entry.filename)
        for entry, following in pairwise(entries)
        if entry.filename.rpartition("/")[2] in names
    )


# Table XIX in MiB: weights of the teacher, and with class-wise statistics.
TABLE_19 = {1000: (44.66, 81.30), 10450: (247.20, 445.87)}
RESNET18_21K = 63.12


@pytest.mark.parametrize("classes", TABLE_19)
def test_table_19(classes: int) -> None:
    weights = weights_bytes(resnet18(), classes) / M
    statistics = statistics_bytes(resnet18(), classes) / M
    before, after = TABLE_19[classes]
    assert weights + statistics == pytest.approx(after, rel=0.001)
    if classes == 1000:
        assert weights == pytest.approx(before, rel=0.001)
        assert statistics == pytest.approx(after - before, rel=0.001)
    else:  # known slip: 247.20 is no ResNet-18 of 10 450 classes, so +198.67 is no increase
        assert weights == pytest.approx(RESNET18_21K, abs=0.005)
        assert statistics == pytest.approx(after - RESNET18_21K, rel=0.001)


def test_parameters_of_resnet18() -> None:
    """11 689 512 with 1000 classes, as torchvision states; 20 BatchNorm layers."""
    layers = resnet18()
    assert sum(layer.parameters for layer in layers) + 513 * 1000 == 11_689_512
    assert (len(layers), sum(layer.channels for layer in layers)) == (20, 4800)


def test_statistics_are_the_file_of_squeeze(tmp_path) -> None:
    from labelcodec.pipeline.class_statistics import ClassStatistics, LayerStatistics

    classes, layers = 3, resnet18()
    arrays = [np.zeros((classes, layer.channels), np.float32) for layer in layers]
    named = {str(i): LayerStatistics(array, array) for i, array in enumerate(arrays)}
    target = tmp_path / "statistics.safetensors"
    ClassStatistics(named, np.zeros(classes, np.int64), {}).save(target)
    content = target.read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")
    assert len(content) - header == statistics_bytes(layers, classes) + 8 * classes
