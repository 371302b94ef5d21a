from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import labelcodec
from labelcodec import Header, Labels, Writer
from labelcodec.analysis import compare_sets
from labelcodec.augmentation.seeded import draw
from labelcodec.augmentation.spec import AugmentationSpec
from labelcodec.batch import LabelBatch
from labelcodec.errors import ConfigError, DataError, MismatchError
from labelcodec.transcode.decode_container import decode
from labelcodec.transcode.encode_dump import encode
from labelcodec.transcode.recode_container import recode
from labelcodec.verification import verify
from tests.codecs.content import same
from tests.formats.builders import epoch_dump, fkd_dump, loader_order, same_dumps

ORDER = loader_order(20, 3)


@pytest.fixture
def dump(tmp_path):
    return epoch_dump(tmp_path / "dump", ORDER, 6)


@pytest.fixture
def full(tmp_path, dump):
    encode(dump, tmp_path / "full.slc", epochs=300)
    return tmp_path / "full.slc"


def bytes_of(path):
    return path.read_bytes()


@pytest.mark.parametrize("codec", ["topk:k=3", "topk:k=4,step=0.25", "dense"])
def test_it_is_what_encoding_the_dump_gives(tmp_path, dump, full, codec):
    encode(dump, tmp_path / "direct.slc", codec=codec, epochs=300)
    report = recode(full, tmp_path / "new" / "again.slc", codec)
    assert bytes_of(tmp_path / "new" / "again.slc") == bytes_of(tmp_path / "direct.slc")
    assert (report.batches, report.notes) == (12, ())
    assert report.bytes == (tmp_path / "direct.slc").stat().st_size
    assert report.source_bytes == full.stat().st_size


def test_fewer_of_quantised_ones(tmp_path, full):
    """Values that lost their type to a step get it back."""
    recode(full, tmp_path / "a.slc", "topk:k=4,step=0.25")
    recode(tmp_path / "a.slc", tmp_path / "b.slc", "topk:k=2")
    recode(full, tmp_path / "c.slc", "topk:k=2,step=0.25")
    with labelcodec.open(tmp_path / "b.slc") as b, labelcodec.open(tmp_path / "c.slc") as c:
        assert all(
            np.array_equal(x.labels.value, y.labels.value) for x, y in zip(b, c, strict=True)
        )


def test_a_seeded_file_stays_seeded(tmp_path):
    path = seeded(tmp_path / "a.slc")
    recode(path, tmp_path / "b.slc", "topk:k=2")
    with labelcodec.open(path) as a, labelcodec.open(tmp_path / "b.slc") as b:
        expected = replace(a.header, codec="topk", config={"k": 2}, k=2, tail="zero")
        assert b.header == expected and b.header.recipe is not None
        assert "crop" not in b.component_bytes(0)
        assert np.array_equal(a[3].image_index, b[3].image_index)


@pytest.mark.parametrize("precision", ["float16", "bfloat16", "float32"])
def test_compact_labels_become_full_ones(tmp_path, precision):
    path = seeded(tmp_path / "a.slc", precision, "transform:rank=4,step=0.5,peaks=1")
    report = recode(path, tmp_path / "b.slc", "dense")
    assert report.notes == ("the labels have been through transform:rank=4,step=0.5,peaks=1",)
    assert verify(tmp_path / "b.slc").problems == ()
    with labelcodec.open(path) as a, labelcodec.open(tmp_path / "b.slc") as b:
        found = compare_sets(a, b).fidelity
        assert found is None or found.max_dz < 0.05  # a bfloat16 near 8 is 1/32 off at most


def test_what_was_lost_stays_on_record(tmp_path, full):
    recode(full, tmp_path / "a.slc", "topk:k=8,step=0.25")
    recode(tmp_path / "a.slc", tmp_path / "b.slc", "topk")
    with labelcodec.open(tmp_path / "b.slc") as reader:
        assert reader.header.source["lossy"] == ["topk:k=8,step=0.25"]
    assert decode(tmp_path / "b.slc", tmp_path / "copy").lossy


def test_names_come_along(tmp_path):
    root = fkd_dump(tmp_path / "dump", "MS")
    encode(root, tmp_path / "a.slc", label_type="MS")
    recode(tmp_path / "a.slc", tmp_path / "b.slc", "topk")
    decode(tmp_path / "b.slc", tmp_path / "copy")
    assert same_dumps(root, tmp_path / "copy")


def test_shards_become_one_file(tmp_path, full):
    with labelcodec.open(full) as reader:
        for part in range(2):
            with Writer(tmp_path / f"shard-{part}.slc", reader.header, "dense") as writer:
                for i in range(part, len(reader), 2):
                    writer.add(reader[i])
    recode(tmp_path / "shard-*.slc", tmp_path / "one.slc", "topk:k=3")
    recode(full, tmp_path / "two.slc", "topk:k=3")
    with labelcodec.open(tmp_path / "one.slc") as a, labelcodec.open(tmp_path / "two.slc") as b:
        assert all(same(x, y) for x, y in zip(a, b, strict=True))


def test_threads_make_the_same_file(tmp_path, full):
    recode(full, tmp_path / "a.slc", "topk:k=3")
    recode(full, tmp_path / "b.slc", "topk:k=3", threads=2)
    assert bytes_of(tmp_path / "a.slc") == bytes_of(tmp_path / "b.slc")


class TestRefused:
    def test_its_own_source(self, tmp_path, full):
        before = bytes_of(full)
        with pytest.raises(MismatchError, match="is a source of the labels"):
            recode(full, full, "topk:k=3", force=True)
        assert bytes_of(full) == before

    @pytest.mark.parametrize(
        ("codec", "error", "what"),
        [
            ("zip", ConfigError, "unknown codec 'zip'"),
            ("topk", ConfigError, "full labels need k"),
            ("dense", DataError, "these are top-k: use topk"),
        ],
    )
    def test_codecs(self, tmp_path, full, codec, error, what):
        if codec == "dense":
            recode(full, tmp_path / "top.slc", "topk:k=3")
            full = tmp_path / "top.slc"
        with pytest.raises(error, match=what):
            recode(full, tmp_path / "a.slc", codec)
        assert not list(tmp_path.glob("a.slc*"))


def seeded(path, precision="float16", codec="dense"):
    recipe = AugmentationSpec(7, images=50, batch=16, size=(32, 32), sizes=(64, 48))
    header = Header(6, precision=precision, images=50, mix="cutmix", recipe=recipe)
    kind = np.float16 if precision == "float16" else np.float32
    with Writer(path, header, codec) as writer:
        for number in range(8):
            index, augmentation = draw(recipe, number)
            value = np.random.default_rng(number).integers(-8, 8, (len(index), 6)).astype(kind)
            labels = Labels(6, value, precision=precision)
            writer.add(LabelBatch(number, number // 4, index, augmentation, labels))
    return path
