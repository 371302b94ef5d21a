from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from labelcodec.analysis.dump_table import dump_table
from labelcodec.errors import DumpError

FIXTURE = Path(__file__).parents[2] / "labelcodec/fixtures/in1k-two-batches"
PAPER = [2224, 1328, 1328, 880, 1904, 257200]


def save_table_vi(folder: Path) -> None:
    """A batch with the shapes and types of the paper's Table VI, as LPQLD writes it."""
    import torch

    folder.mkdir(parents=True)
    generator = torch.Generator().manual_seed(0)
    parts = [
        torch.rand(128, 4, generator=generator).half(),
        torch.rand(128, generator=generator) > 0.5,
        torch.randperm(128, generator=generator).to(torch.uint8),
        0.25,
        [torch.tensor(edge, dtype=torch.uint8) for edge in (1, 2, 3, 4)],
        torch.rand(128, 1000, generator=generator).half(),
    ]
    torch.save(parts, folder / "batch_0.tar")
    (folder / "sampler_indices_batch.json").write_text(json.dumps({"0": list(range(128))}))


def test_table_vi_has_the_papers_payloads(tmp_path) -> None:
    save_table_vi(tmp_path / "dump")
    table = dump_table(tmp_path / "dump")
    assert [row.payload_bytes for row in table.rows] == [1024, 128, 128, 8, 4, 256000]
    assert [row.paper_bytes for row in table.rows] == PAPER
    assert "".join(row.kind for row in table.rows) == "FFFFFz"
    assert sum(row.percent for row in table.rows) == pytest.approx(100)


def test_wrapping_of_a_tensor_then_and_now(tmp_path) -> None:
    save_table_vi(tmp_path / "dump")
    rows = {row.component: row for row in dump_table(tmp_path / "dump").rows}
    for component in ("crop", "flip", "mix index", "label values"):
        row = rows[component]
        assert row.paper_bytes - row.payload_bytes == 1200
        assert row.bytes - row.payload_bytes == pytest.approx(1577, abs=64)


def test_real_dump_in_sre2ls_layout() -> None:
    table = dump_table(FIXTURE)
    assert (table.files.layout.name, table.files.count) == ("sre2l", 3)
    assert (table.first, table.first_bytes) == ("epoch_0/batch_0.tar", 261661)
    found = [(row.component, row.shape, row.dtype, row.payload_bytes) for row in table.rows]
    assert found == [
        ("crop", "128 x 4", "float32", 2048),
        ("flip", "128", "bool", 128),
        ("mix index", "128", "int64", 1024),
        ("mix ratio", "1", "float64", 8),
        ("mix box", "4", "int64", 32),
        ("label values", "128 x 1000", "float16", 256000),
    ]
    # Only parts of Table VI's own shape and type stand beside the paper's figure.
    assert [row.paper_bytes for row in table.rows] == [None, 1328, None, 880, None, 257200]
    total = sum(path.stat().st_size for path in FIXTURE.rglob("*") if path.is_file())
    assert table.files.bytes == total


def test_parts_that_are_absent_or_extra(tmp_path) -> None:
    import torch

    drawn = [torch.ones(4, dtype=torch.int64), torch.ones(4).half(), torch.ones(4).half()]
    values, index = torch.ones(4, 2).half(), torch.ones(4, 2, dtype=torch.int16)
    parts = [torch.rand(4, 4).half(), torch.rand(4) > 0.5, [drawn, drawn], None, None, None]
    torch.save([*parts, values, index], tmp_path / "batch_0.tar")
    found = {row.component: row for row in dump_table(tmp_path).rows}
    assert list(found) == ["crop", "flip", "randaugment", "label values", "label index"]
    assert found["randaugment"].shape == "6 arrays"
    assert found["randaugment"].payload_bytes == 2 * 4 * (8 + 2 + 2)
    assert found["label index"].kind == "z"


def test_fkd_file(tmp_path) -> None:
    import torch

    (tmp_path / "n01").mkdir()
    saved = [np.ones((5, 4), np.float32), np.ones(5, bool), np.ones((5, 2, 10), np.float32)]
    torch.save(saved, tmp_path / "n01" / "a.tar")
    table = dump_table(tmp_path)
    assert table.first == "n01/a.tar"
    assert [row.payload_bytes for row in table.rows] == [80, 5, 400]
    json.dumps(table.to_json())


def test_what_is_no_dump(tmp_path) -> None:
    import torch

    with pytest.raises(DumpError, match="no such file or folder"):
        dump_table(tmp_path / "absent")
    torch.save({"weights": torch.ones(1)}, tmp_path / "batch_0.tar")
    with pytest.raises(DumpError, match=r"batch_0\.tar"):
        dump_table(tmp_path)
    with pytest.raises(DumpError, match="no label files"):
        dump_table(tmp_path, layout="sre2l")
