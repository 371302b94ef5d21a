"""Files are written as torch.save writes them, byte for byte but for their serialization id."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from labelcodec.formats.save import save
from labelcodec.torch_file import Tensor, read_torch_file, torch_file
from tests.torch_file.archives import same
from tests.torch_file.test_read import arrays, tensors

ID = ".data/serialization_id"


def ours(content: Any) -> Any:
    """The content with our tensors in place of torch's."""
    if isinstance(content, list):
        return [ours(inner) for inner in content]
    if not isinstance(content, torch.Tensor):
        return content
    if content.dtype is torch.bfloat16:
        return Tensor("bfloat16", content.view(torch.int16).numpy().view(np.uint16))
    return Tensor(str(content.dtype).removeprefix("torch."), content.numpy())


def members(file: Path) -> dict[str, tuple[int, bytes]]:
    with zipfile.ZipFile(file) as archive:
        return {
            info.filename: (info.header_offset, archive.read(info))
            for info in archive.infolist()
            if not info.filename.endswith(ID)
        }


CONTENTS = [
    [torch.rand(4, 4), torch.rand(4) > 0.5, torch.arange(4), 0.25,
     [np.int64(edge) for edge in (1, 2, 3, 224)], torch.rand(4, 10).half()],
    [torch.rand(4, 4).half(), torch.rand(4) > 0.5, [[torch.arange(4), torch.rand(4).half()]] * 1,
     torch.arange(4, dtype=torch.uint8), 1.0,
     [torch.tensor(edge, dtype=torch.uint8) for edge in (1, 2, 3, 4)],
     torch.rand(4, 3).half(), torch.arange(12, dtype=torch.int16).view(4, 3)],
    [np.zeros((4, 4), np.float16), np.ones(4, bool), np.zeros((4, 2, 5), np.float16)],
    [None, True, False, 0, 255, 256, 65535, 65536, -1, 1 << 31, -(1 << 31), 1 << 40, "a"],
    [torch.rand(2, 1, 3).bfloat16(), torch.tensor(1.5), np.bool_(True), np.uint8(98)],
    [torch.arange(6).to(dtype).view(2, 3) for dtype in (torch.uint16, torch.uint32, torch.uint64)],
    [[torch.full((1,), i), np.int64(i)] for i in range(400)],
    [1] * 2001,
    [],
]  # fmt: skip


@pytest.mark.parametrize("content", CONTENTS)
def test_the_same_bytes_as_torch(content: list[Any], tmp_path: Path) -> None:
    file, reference = tmp_path / "a" / "batch_0.tar", tmp_path / "b" / "batch_0.tar"
    file.parent.mkdir()
    reference.parent.mkdir()
    torch.save(content, reference)
    save(ours(content), file)
    assert members(file) == members(reference)
    assert file.stat().st_size == reference.stat().st_size


numbers = st.none() | st.booleans() | st.integers(-(1 << 62), 1 << 62) | st.floats()


@given(st.recursive(tensors() | arrays() | numbers, st.lists, max_leaves=12))
def test_torch_and_we_read_what_was_written(content: Any) -> None:
    if any(t.dtype in (torch.uint16, torch.uint32, torch.uint64) for t in flat(content)):
        return  # no label file holds them
    data = torch_file(ours(content), "batch_0")
    back = torch.load(io.BytesIO(data), weights_only=False)
    assert same(read_torch_file(data), back)
    assert same(ours(content), back)


def flat(content: Any) -> list[torch.Tensor]:
    if isinstance(content, list):
        return [tensor for inner in content for tensor in flat(inner)]
    return [content] if isinstance(content, torch.Tensor) else []


def test_weights_only_reads_it_too(tmp_path: Path) -> None:
    content = [torch.rand(3), None, 0.5, [torch.tensor(3)]]
    save(ours(content), tmp_path / "a.tar")
    assert same(ours(content), torch.load(tmp_path / "a.tar", weights_only=True))


def test_other_things_are_not_written() -> None:
    with pytest.raises(TypeError, match="holds no set"):
        torch_file([{1}], "a")
