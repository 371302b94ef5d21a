"""What is no dump is named for what it is, with what to do; nothing is unpacked."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile

import numpy as np
import pytest
import torch

from labelcodec.analysis.breakdown import stats
from labelcodec.analysis.dump_table import dump_table
from labelcodec.analysis.open_any import open_any
from labelcodec.errors import DumpError, FormatError
from labelcodec.formats import open_dump
from labelcodec.formats.foreign import name_file
from tests.formats.builders import epoch_dump, fkd_dump, loader_order


@pytest.fixture
def dump(tmp_path):
    return epoch_dump(tmp_path / "some" / "dump", loader_order(20, 3), 6)


def packed(dump, name):
    target = dump.parents[1] / name
    if name.endswith(".zip"):
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(dump.rglob("*.tar")):
                archive.write(file, file.relative_to(dump.parents[1]))
        return target
    mode = {"tar": "w", "gz": "w:gz", "xz": "w:xz", "bz2": "w:bz2"}[name.rpartition(".")[2]]
    with tarfile.open(target, mode) as archive:
        archive.add(dump.parent, "some")
    return target


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("a.tar", r"tar -xf .*a\.tar -C DIR` and pass DIR/some/dump$"),
        ("a.tar.gz", r"tar -xzf .*a\.tar\.gz -C DIR"),
        ("a.tar.xz", r"tar -xJf"),
        ("a.tar.bz2", r"tar -xjf"),
        ("a.zip", r"unzip .*a\.zip -d DIR"),
    ],
)
def test_archives(dump, name, command):
    file = packed(dump, name)
    for use in (open_dump, stats, dump_table):
        with pytest.raises(DumpError, match=command):
            use(file)
    with pytest.raises(DumpError, match=command), open_any(file):
        pass


@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("a b.tar", r"tar -xf '.*/a b\.tar' -C DIR"),
        ("a b.tar.gz", r"tar -xzf '.*/a b\.tar\.gz' -C DIR"),
        ("a b.zip", r"unzip '.*/a b\.zip' -d DIR"),
    ],
)
def test_commands_quote_paths_with_spaces(dump, name, command):
    with pytest.raises(DumpError, match=command):
        open_dump(packed(dump, name))


def test_arrays_of_numpy(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.zeros((20, 10)))
    with pytest.raises(DumpError, match=r"a\.npz: NumPy arrays, without augmentations.*Writer"):
        stats(tmp_path / "a.npz")
    with pytest.raises(
        DumpError, match=r"a\.npz: expected arrays `logits`, or `index` and `value`"
    ):
        open_dump(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["a.zip", "a.tar.gz"])
def test_archive_in_a_folder(dump, name):
    file = packed(dump, name)
    shutil.rmtree(dump.parent)
    with pytest.raises(DumpError, match=rf"holds {name}, a \w+ archive; unpack it with"):
        open_dump(file.parent)


def test_one_label_file(dump):
    file = dump / "epoch_1" / "batch_2.tar"
    with pytest.raises(DumpError, match=rf"file of torch\.save; .*pass {dump}$"):
        open_dump(file)
    torch.save([1], file, _use_new_zipfile_serialization=False)
    with pytest.raises(DumpError, match=rf"an old file of torch\.save; .*pass {dump}$"):
        open_dump(file)


@pytest.mark.parametrize("name", ["../../etc/epoch_0/batch_0.tar", "a/../epoch_0/batch_0.tar"])
def test_tar_archive_with_names_that_leave_the_folder(tmp_path, name):
    file = tmp_path / "a.tar"
    with tarfile.open(file, "w") as archive:
        archive.addfile(tarfile.TarInfo(name))
    assert name_file(file).endswith("the folder in it that holds the dump")


def test_tar_archive_of_strange_headers(tmp_path):
    file = tmp_path / "a.tar"
    for size in (b"9999", b"\xff" * 12, b"-1", b"", b"77777777777"):
        header = bytearray(512)
        header[:1], header[257:262], header[156:157] = b"x", b"ustar", b"0"
        header[124 : 124 + len(size)] = size
        file.write_bytes(header * 3)
        assert "tar archive" in name_file(file)


def test_torch_files_of_other_forms(tmp_path):
    sample = {"params": {"horizontal_flip": True}, "prob": ([0.5, 0.4], [3, 1])}
    root = tmp_path / "dr"
    root.mkdir()
    torch.save((0, [sample]), root / "0.pth.tar", pickle_protocol=4)
    for use in (open_dump, dump_table):
        with pytest.raises(DumpError, match=r"0\.pth\.tar: holds labels of Apple's ml-dr"):
            use(root)
    torch.save({"reinforce": {"topk": 10}}, root / "config.pth.tar")
    (root / "0.pth.tar").unlink()
    with pytest.raises(DumpError, match=r"config\.pth\.tar: holds labels of Apple's ml-dr"):
        open_dump(root)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("n01/a.pt", torch.rand(2, 5, 15, 15), r"n01/a\.pt holds a label map .* ReLabel"),
        ("labels.pt", torch.rand(20, 10), r"labels\.pt holds one array of 20 labels of 10 classes"),
        ("soft_labels.npy", np.zeros((20, 10)), r"soft_labels\.npy is a NumPy array"),
        ("net.pth", {"conv.weight": torch.rand(3)}, "named tensors, such as the weights"),
    ],
)
def test_folders_of_other_forms(tmp_path, name, content, what):
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    np.save(file, content) if name.endswith(".npy") else torch.save(content, file)
    torch.save(torch.rand(4, 3, 8, 8), tmp_path / "images.pt")
    for use in (open_dump, dump_table):
        with pytest.raises(DumpError, match=what):
            use(tmp_path)
    with pytest.raises(DumpError, match=r"Writer|ReLabel|weights"):
        open_dump(file)


def test_what_is_not_known_is_not_named(tmp_path):
    for name, data in (("a.txt", b"text"), ("b.bin", b""), ("c.pt", b"\0" * 600)):
        (tmp_path / name).write_bytes(data)
        assert name_file(tmp_path / name) is None
        with pytest.raises(FormatError, match="not a labelcodec container"):
            stats(tmp_path / name)
    with pytest.raises(DumpError, match=r"found a\.txt, b\.bin, c\.pt; expected epoch_N"):
        open_dump(tmp_path)


def test_stats_never_invents_a_table(tmp_path):
    """A list of three batches has three items, as a file of FKD's has."""
    root = fkd_dump(tmp_path / "dump", "hard")
    file = next(iter(sorted(root.rglob("*.tar"))))
    batch = torch.load(file, weights_only=False)
    torch.save([batch, batch, batch], file)
    with pytest.raises(DumpError, match=r"a\.tar: coords is list"):
        dump_table(root)
    shutil.rmtree(root)


def test_compressed_label_file(tmp_path):
    file = tmp_path / "epoch_0" / "batch_0.tar.gz"
    file.parent.mkdir()
    file.write_bytes(gzip.compress(b"x"))
    with pytest.raises(DumpError, match=r"batch_0\.tar\.gz: unexpected file"):
        open_dump(tmp_path)


def test_array_records(tmp_path):
    file = tmp_path / "teacher_top_k_part_00000_host_000.array_record"
    file.write_bytes(bytes(100))
    with pytest.raises(DumpError, match=r"an ArrayRecord file, as MaxText's teacher logits are"):
        open_dump(file)
    with pytest.raises(DumpError, match=r"holds teacher_top.*array_record, an ArrayRecord file"):
        open_dump(tmp_path)
